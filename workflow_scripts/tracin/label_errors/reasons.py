"""What accuses an image, in words: one text, and its parts again."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tracin.units import whole_percent

SEPARATOR = "; "
PREFERS = "the network prefers "


def reasons(joined: pd.DataFrame, front: pd.DataFrame, given: np.ndarray) -> list[str]:
    """What accuses each image, in words, [n]; nothing where no signal speaks against the label.

    `given` [n] is the probability of the label, beside the suggested one's in `front`.
    """
    other = front["suggested_probability"].to_numpy()
    suggested = front["suggested_label"].to_list()
    neighbours = joined["neighbours"].map(len).to_numpy()
    differing = np.rint(joined["neighbour_labels"].to_numpy() * neighbours).astype(int)
    opposition = joined["opposition"].to_numpy()
    holds = {
        f"{PREFERS}{{suggested}} ({{other}} to {{given}})": other > given,
        "{differing} of its {neighbours} nearest neighbours have another label": (
            2 * differing > neighbours
        ),
        "another class led on average over training": joined["area_under_margin"].to_numpy() > 0,
        "other training images oppose it strongly": opposition > np.quantile(opposition, 0.95),
        "it raises the loss of validation images of its class": (
            joined["influence_on_own_class"].to_numpy() > 0
        ),
    }
    return [
        SEPARATOR.join(text for text, rows in holds.items() if rows[row]).format(
            suggested=suggested[row],
            other=whole_percent(other[row]),
            given=whole_percent(given[row]),
            differing=differing[row],
            neighbours=neighbours[row],
        )
        for row in range(len(joined))
    ]


def parts(text: str, suggested: str) -> list[str]:
    """The single reasons of a text that `reasons` made about an image that looks like `suggested`.

    The name of that class may itself hold what separates reasons.
    """
    named = PREFERS + suggested
    start = named if text.startswith(named) else ""
    first, *others = text.removeprefix(start).split(SEPARATOR)
    return [part for part in [start + first, *others] if part]
