"""Size and error of gradient shards by number format, on factors of a trained network.

`python -m benchmarks.shards`: ratio = bytes of float32 shards / of float16 shards.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.measure import FOLDER, report
from benchmarks.tiles import CPU, SLOTS, K, network_factors
from tracin.influence import largest, tile_scores
from tracin.shards import Slot, by_slot, save_shard

SIZES = {"train": 5000, "test": 1000}


def main() -> None:
    factors = network_factors(FOLDER / "network", SIZES)
    exact = tile_scores(factors["test"], factors["train"], CPU)[0]
    rows = []
    for dtype in (torch.float32, torch.float16):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(Path(folder), factors, dtype, exact))
    report("shards", rows, ratio=rows[0]["MB"] / rows[1]["MB"], sizes=SIZES | {"slots": SLOTS})


def measure(
    folder: Path, factors: dict[str, list[Slot]], dtype: torch.dtype, exact: Tensor
) -> dict[str, Any]:
    """Write and read the shards in one format, and compare the scores with the exact ones."""
    start, paths = time.perf_counter(), {}
    for split, slots in factors.items():
        paths[split] = [folder / f"{slot}-{split}.safetensors" for slot in range(SLOTS)]
        for (side, rate), path in zip(slots, paths[split], strict=True):
            save_shard(side, slice(0, SIZES[split]), SIZES[split], rate, path, dtype)
    written = time.perf_counter() - start
    size = sum(path.stat().st_size for path in folder.iterdir())
    read = {split: by_slot([[path] for path in parts]) for split, parts in paths.items()}
    scores = tile_scores(read["test"], read["train"], CPU)[0]
    error = (scores - exact).abs().amax(dim=1) / exact.abs().amax(dim=1)
    return {
        "format": str(dtype).removeprefix("torch."),
        "MB": round(size / 1e6, 1),
        "seconds to write": round(written, 2),
        "largest error / largest score": float(error.max()),
        "median of that": float(error.median()),
        f"lists of {K} in common": round(in_common(scores, exact), 4),
    }


def in_common(scores: Tensor, exact: Tensor) -> float:
    """Mean share of the K largest of each row that both have."""
    lists = [torch.zeros_like(s).scatter_(1, largest(s, K)[1], 1.0) for s in (scores, exact)]
    return float((lists[0] * lists[1]).sum(dim=1).mean() / K)


if __name__ == "__main__":
    main()
