"""What ImageNet would take, by hand."""

from benchmarks.imagenet import projection


def test_projection_by_hand() -> None:
    # 5 x 1,331,167 passes; 6.405835e10 pairs at 1 us, of 2049 + 1000 numbers in place of 2049 + 10;
    # 4 bytes x 5 x 1,331,167 x 3049.
    assert projection(1000.0, 1e-6, 10) == (
        "1.8 h for the gradients, 26.3 h for the tiles, 81.2 GB of float32 shards, half in float16"
    )
