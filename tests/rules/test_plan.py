"""The plan, by dry runs of the real Snakefile: complete in advance, and only what is stale."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.conftest import snakemake

# job name and number, as the table that ends a dry run lists them
ROW = re.compile(r"^(\w+) +(\d+)$", re.MULTILINE)

AFTER_SUSPECTS = {"suspects", "plot_recall"}
# The merged lists are temporary, so the signals ask for them again.
AFTER_SIGNALS = AFTER_SUSPECTS | {"signals", "merge"}
# The lists of test images, and those of training images, which are evidence of wrong labels.
LISTS = {"tile", "merge", "topk", "plot_mistakes"}
EVIDENCE = {"tile", "merge"} | AFTER_SIGNALS
TILES = LISTS | EVIDENCE
AFTER_GRADIENTS = TILES | {"gradients", "self_influence"}
AFTER_VIEWS = AFTER_SIGNALS | {"views", "outliers"}
AFTER_PREDICTIONS = {
    "predict",
    "evaluate",
    "mispredictions",
    "plot_confusion",
    "plot_mispredictions",
    "plot_mistakes",
}
AFTER_TRAINING = AFTER_GRADIENTS | AFTER_VIEWS | AFTER_PREDICTIONS | {"train"}
AFTER_TRAINING |= {"plot_learning_curves"}
AFTER_MANIFEST = AFTER_TRAINING | {"manifest", "label_set", "near_duplicates"}

# Which stages one changed setting reruns, and no other.
STALE: list[tuple[str, object, set[str]]] = [
    ("influence.top_k", 7, LISTS),
    ("label_errors.opponents", 7, EVIDENCE),
    ("label_errors.neighbours", 7, AFTER_SIGNALS),
    ("label_errors.random_views", 1, AFTER_VIEWS),
    ("dataset.near_duplicate_bits", 1, {"near_duplicates"}),
    ("influence.layers", ["layer4"], AFTER_GRADIENTS),
    ("influence.projection_dim", 8, set()),
    ("influence.normalise", "cosine", LISTS),
    ("influence.precision", "bfloat16", AFTER_GRADIENTS),
    ("influence.shard_dtype", "float16", AFTER_GRADIENTS),
    ("influence.tiles", {"train": 3, "test": 2}, TILES),
    ("influence.shards", {"train": 3, "val": 1, "test": 1}, AFTER_GRADIENTS),
    ("influence.checkpoints", 3, AFTER_TRAINING),
    ("figures.grid_images", 6, {"plot_mispredictions"}),
    ("figures.mistakes", 2, {"plot_mistakes"}),
    ("figures.per_mistake", 3, {"plot_mistakes"}),
    ("train.label_smoothing", 0.2, AFTER_TRAINING),
    ("train.batch_size", 32, AFTER_TRAINING),
    ("model.head", [16], AFTER_TRAINING),
    ("dataset.val", 0.2, AFTER_MANIFEST),
    ("dataset.stored_size", 40, AFTER_MANIFEST | {"ingest"}),
    ("compute.batch_size", 64, set()),
    ("compute.workers", 2, set()),
    ("compute.device", "cpu", set()),
]


def jobs(output: str) -> dict[str, int]:
    found = {name: int(count) for name, count in ROW.findall(output)}
    return {name: count for name, count in found.items() if name not in ("all", "total")}


@contextmanager
def setting(folder: Path, key: str, value: object) -> Iterator[Path]:
    """An overlay for --configfile that changes one setting."""
    overlay: object = value
    for part in reversed(key.split(".")):
        overlay = {part: overlay}
    path = folder / "overlay.yaml"
    path.write_text(yaml.safe_dump(overlay))
    yield path
    path.unlink()


def test_a_finished_run_has_nothing_to_do(demo: Path) -> None:
    assert jobs(snakemake(demo, "-n")) == {}


@pytest.mark.parametrize(("key", "value", "expected"), STALE, ids=[row[0] for row in STALE])
def test_one_setting_reruns_what_depends_on_it(
    demo: Path, key: str, value: object, expected: set[str]
) -> None:
    with setting(demo, key, value) as overlay:
        planned = jobs(snakemake(demo, "-n", "--configfile", str(overlay)))
    assert set(planned) == expected


def test_a_new_seed_runs_its_own_chain_only(demo: Path) -> None:
    with setting(demo, "train.seeds", [0, 1]) as overlay:
        output = snakemake(demo, "-n", "--configfile", str(overlay))
    # The list of suspects joins all runs.
    assert set(jobs(output)) == AFTER_TRAINING
    assert not re.search(r"output: .*seed0", output)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("influence.py", AFTER_GRADIENTS - {"gradients"}),
        ("pruning.py", TILES),
        ("sketch.py", AFTER_GRADIENTS),
        ("figures/recall.py", {"plot_recall"}),
        ("label_errors/suspects.py", AFTER_SUSPECTS),
        ("splitting.py", AFTER_MANIFEST),
    ],
)
def test_an_edit_in_the_library_reruns_its_importers(
    demo: Path, module: str, expected: set[str]
) -> None:
    path = demo / "workflow_scripts" / "tracin" / module
    text = path.read_text()
    path.write_text(text + "\n# edited\n")
    try:
        planned = set(jobs(snakemake(demo, "-n")))
    finally:
        path.write_text(text)
    assert planned == expected


def test_the_whole_plan_is_known_without_data(workflow: Path) -> None:
    planned = jobs(snakemake(workflow, "-n", "--configfile", "examples/animals10.yaml"))
    assert planned["gradients"] == 5 * (4 + 2 + 1)
    assert planned["tile"] == 4 * 2 + 4 * 4
    assert planned["weights"] == 1


def test_wrong_settings_are_listed_together(workflow: Path) -> None:
    text = "influence: {top_k: 0, checkpoint: 3}\ntrain: {epochs: many}\n"
    (workflow / "overlay.yaml").write_text(text)
    output = snakemake(workflow, "-n", "--configfile", "overlay.yaml", check=False)
    assert "influence.top_k: 0 is less than" in output
    assert "'checkpoint' was unexpected" in output
    assert "train.epochs: 'many' is not of type" in output


def test_more_slots_than_pooled_epochs_is_found_in_advance(workflow: Path) -> None:
    (workflow / "overlay.yaml").write_text("influence: {checkpoints: 9}\n")
    output = snakemake(workflow, "-n", "--configfile", "overlay.yaml", check=False)
    assert "9 slots, but 9 epochs pool only" in output


def test_folds_are_trained_as_label_sets_of_their_own(demo: Path) -> None:
    with setting(demo, "label_errors.folds", 3) as overlay:
        planned = jobs(snakemake(demo, "-n", "--configfile", str(overlay)))
    extra = {"fold_labels": 3, "train": 3, "views": 3, "out_of_fold": 1}
    assert planned == extra | dict.fromkeys(AFTER_SIGNALS, 1) | {"merge": 2}
