"""Which of the pooled epochs fill the fixed TracIn slots."""

from __future__ import annotations

from collections.abc import Mapping

from tracin.errors import UserError


def is_pooled(epoch: int, every: int) -> bool:
    """Whether epoch (from 1) goes into the pool: the first one and each multiple of `every`."""
    return epoch == 1 or epoch % every == 0


def choose_slots(pool: Mapping[int, float], slots: int) -> list[int]:
    """Pick `slots` epochs from `pool` (epoch -> training loss), in ascending order.

    The first and the last are always in; between them the picks spread evenly over the epochs in
    which the loss fell below all before it (TracIn's advice is to use checkpoints between which the
    loss falls steadily; Pruthi et al. 2020, section 3.2). Other epochs fill up only where those
    are too few, smallest loss first.

    Raises:
        UserError: fewer epochs were pooled than there are slots.
    """
    epochs = sorted(pool)
    if len(epochs) < slots:
        raise UserError(
            f"Training pooled {len(epochs)} checkpoints (epochs {epochs}) for {slots} slots. Lower "
            "influence.checkpoints: the training goes on from there."
        )
    if slots == 1:
        return [epochs[-1]]
    fell, best = [], float("inf")
    for epoch in epochs[1:-1]:
        best = min(best, pool[epochs[0]])
        if pool[epoch] < best:
            fell.append(epoch)
            best = pool[epoch]
    others = sorted((e for e in epochs[1:-1] if e not in fell), key=lambda e: (pool[e], e))
    fell = sorted(fell + others[: max(0, slots - 2 - len(fell))])
    candidates = [epochs[0], *fell, epochs[-1]]
    last = len(candidates) - 1
    return [candidates[(i * last + (slots - 1) // 2) // (slots - 1)] for i in range(slots)]
