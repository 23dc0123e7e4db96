"""What is read of a memory map does not stay in the process's memory."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tracin.images import Augmentation, TrainingImages, open_pixels, read_batch
from tracin.mapped import let_go

IMAGES, SIDE = 2000, 96  # 55 MB


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mapped") / "pixels.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (IMAGES, SIDE, SIDE, 3), np.uint8))
    return path


STATUS = Path("/proc/self/status")


def growth(work: Callable[[], object]) -> int:
    """Bytes by which what the process holds of files has grown after the work."""

    def held() -> int:
        lines = STATUS.read_text().splitlines()
        return 1024 * sum(int(s.split()[1]) for s in lines if s.startswith(("RssFile", "RssShmem")))

    before = held()
    work()
    return held() - before


@pytest.mark.skipif(not STATUS.exists(), reason="wants Linux, which says what a process holds")
def test_batches_and_views_leave_nothing_behind(file: Path) -> None:
    pixels, ids = open_pixels(file), np.random.default_rng(1).permutation(IMAGES)
    labels = np.zeros(IMAGES, dtype=np.int64)
    views = TrainingImages(pixels, ids, labels, Augmentation(), SIDE)
    parts = np.array_split(ids, 40)
    works: list[Callable[[], object]] = [
        lambda: [read_batch(pixels, part, SIDE).sum() for part in parts],
        lambda: [read_batch(pixels[:, :, ::-1], part, SIDE).sum() for part in parts],
        lambda: [views[i, i][0].sum() for i in range(IMAGES)],
    ]
    for work in works:
        assert growth(work) < pixels.nbytes / 4
    assert growth(lambda: pixels.sum()) > pixels.nbytes / 2


def test_what_is_given_back_can_be_read_again(file: Path) -> None:
    pixels, whole = open_pixels(file), np.load(file)
    for part in (pixels[:0], pixels[7], pixels[3:9, 5:, ::-1], pixels[-1:], pixels):
        let_go(part)
        assert np.array_equal(pixels[:10], whole[:10]) and np.array_equal(pixels[-1], whole[-1])


def test_arrays_and_changes_are_left_alone(file: Path) -> None:
    array, changed = np.ones(10**6), np.load(file, mmap_mode="c")
    changed[5] = 7
    for part in (array, array[5:], changed, changed[5]):
        let_go(part)
    assert (array == 1).all() and (changed[5] == 7).all()
