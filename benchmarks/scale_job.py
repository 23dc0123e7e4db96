"""One tile job of `benchmarks.scale`, in a process of its own: prints its seconds and peak GB."""

import resource
import sys
import time
from pathlib import Path

from benchmarks.imagenet import SLOTS
from tracin.runtime import pick_device
from tracin.shards import by_slot
from tracin.tiles import tile_table

K = 100


def main() -> None:
    folder, part, blocks = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    device = pick_device("cpu", 2)
    start = time.perf_counter()
    train = by_slot(
        [[folder / f"{slot}-train-{part}.safetensors"] for slot in range(SLOTS)], part, blocks
    )
    test = by_slot([[folder / f"{slot}-test-0.safetensors"] for slot in range(SLOTS)])
    tile_table(test, train, K, device)
    seconds = time.perf_counter() - start
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)


if __name__ == "__main__":
    main()
