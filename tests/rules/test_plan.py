"""The plan, by dry runs of the real Snakefile: complete in advance, and only what is stale."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import pytest
import yaml

from tests.conftest import snakemake

# job name and number, as the table that ends a dry run lists them
ROW = re.compile(r"^(\w+) +(\d+)$", re.MULTILINE)

OF_SUSPECTS = {"plot_recall", "plot_candidates", "summarise", "review_page", "export_tables"}
# The table of timings reads those of all heavy jobs.
AFTER_SUSPECTS = OF_SUSPECTS | {"suspects", "timings"}
# The merged lists are temporary, so the signals ask for them again.
AFTER_SIGNALS = AFTER_SUSPECTS | {"signals", "merge"}
CROSS_REFERENCE = {"cross_reference", "plot_top_images", "summarise"}
AFTER_TOPK = CROSS_REFERENCE | {"plot_mistakes", "plot_overall", "plot_classes", "review_page"}
AFTER_TOPK |= {"timings"}
# The lists of test images, and those of training images, which are evidence of wrong labels.
LISTS = AFTER_TOPK | {"tile", "merge", "topk"}
EVIDENCE = {"tile", "merge"} | AFTER_SIGNALS
TILES = LISTS | EVIDENCE
AFTER_GRADIENTS = TILES | {"gradients", "self_influence"}
AFTER_NEIGHBOURS = AFTER_SIGNALS | {"neighbours", "outliers"}
AFTER_VIEWS = AFTER_NEIGHBOURS | {"views"}
AFTER_PREDICTIONS = {
    "predict",
    "evaluate",
    "mispredictions",
    "plot_confusion",
    "plot_mispredictions",
} | AFTER_TOPK
AFTER_TRAINING = AFTER_GRADIENTS | AFTER_VIEWS | AFTER_PREDICTIONS | {"train"}
AFTER_TRAINING |= {"plot_learning_curves"}
AFTER_MANIFEST = AFTER_TRAINING | {"manifest", "label_set", "near_duplicates"}

# Which stages one changed setting reruns, and no other.
STALE: list[tuple[str, object, set[str]]] = [
    ("influence.top_k", 7, LISTS),
    ("label_errors.opponents", 7, EVIDENCE),
    ("label_errors.neighbours", 7, AFTER_NEIGHBOURS),
    ("label_errors.random_views", 1, AFTER_VIEWS),
    ("dataset.near_duplicate_bits", 1, {"near_duplicates", "timings"}),
    ("influence.layers", ["layer4"], AFTER_GRADIENTS),
    ("influence.projection_dim", 8, set()),
    ("influence.normalise", "cosine", LISTS),
    ("influence.precision", "bfloat16", AFTER_GRADIENTS),
    ("influence.shard_dtype", "float16", AFTER_GRADIENTS),
    ("influence.tiles", {"train": 3, "test": 2}, TILES),
    ("influence.tiles", {"train": 2, "test": 2}, LISTS),
    ("influence.shards", {"train": 3, "val": 1, "test": 1}, AFTER_GRADIENTS),
    ("influence.checkpoints", 3, AFTER_TRAINING),
    ("figures.grid_images", 6, {"plot_mispredictions", "plot_top_images", "plot_candidates"}),
    ("figures.detailed", 3, {"plot_top_images"}),
    ("figures.classes", 3, {"plot_confusion", "plot_overall", "plot_classes", "timings"}),
    ("cross_runs.min_runs", 3, set()),
    ("figures.mistakes", 2, {"plot_mistakes"}),
    ("figures", {"mistakes": 5, "per_mistake": 6}, {"plot_mistakes"}),
    ("figures.per_mistake", 3, {"plot_mistakes"}),
    ("train.label_smoothing", 0.2, AFTER_TRAINING),
    ("train.batch_size", 32, AFTER_TRAINING),
    ("model.head", [16], AFTER_TRAINING),
    ("dataset.val", 0.2, AFTER_MANIFEST),
    ("dataset.stored_size", 40, AFTER_MANIFEST | {"ingest"}),
    ("review.top_n", 50, {"review_page", "summarise"}),
    ("review.export", "copy", set()),
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


def test_no_input_is_a_file_of_the_clone(
    workflow: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """So results in a folder of their own are as new for a clone that was moved."""
    folder = tmp_path_factory.mktemp("results")
    (folder / "data").mkdir()
    (folder / "data/corrections.csv").touch()
    output = snakemake(workflow, "-n", "--directory", str(folder), "all", "corrected")
    inputs = [line for line in output.splitlines() if line.startswith("    input: ")]
    assert {"review_page", "label_set_corrected", "timings"} <= set(jobs(output))
    assert inputs and str(workflow) not in "".join(inputs)


def test_a_finished_run_has_nothing_to_do(demo: Path) -> None:
    assert jobs(snakemake(demo, "-n")) == {}


def test_a_job_that_was_not_timed_is_not_run_for_its_time(demo: Path) -> None:
    timing = demo / "results/timings/original/seed0/train.tsv"
    content = timing.read_bytes()
    timing.unlink()
    try:
        assert set(jobs(snakemake(demo, "-n"))) == {"timings"}
    finally:
        timing.write_bytes(content)
        newer = (demo / "results/original/seed0/best.safetensors").stat().st_mtime_ns
        os.utime(timing, ns=(newer, newer))
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
    assert set(jobs(output)) == AFTER_TRAINING | {"cross_runs"}
    assert not re.search(r"output: .*seed0", output)


def test_runs_are_crossed_only_when_there_are_several(workflow: Path) -> None:
    assert "cross_runs" not in jobs(snakemake(workflow, "-n"))
    with setting(workflow, "train.seeds", [0, 1, 2]) as overlay:
        planned = jobs(snakemake(workflow, "-n", "--configfile", str(overlay)))
    assert (planned["cross_runs"], planned["summarise"], planned["plot_classes"]) == (1, 1, 3)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("influence.py", AFTER_GRADIENTS - {"gradients"}),
        ("pruning.py", TILES),
        ("sketch.py", AFTER_GRADIENTS),
        ("figures/recall.py", {"plot_recall"}),
        ("label_errors/suspects.py", AFTER_SUSPECTS),
        ("figures/galleries.py", {"plot_top_images", "plot_candidates"}),
        (
            "crossref.py",
            AFTER_TOPK - {"plot_mistakes", "review_page"} | {"plot_candidates", "plot_confusion"},
        ),
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


def test_a_thousand_tiles_are_planned_in_seconds(workflow: Path) -> None:
    """docs/slurm.md has the figures of ten thousand."""
    blocks = {"train": 30, "test": 4}
    overlay = {"influence": {"shards": blocks | {"val": 1}, "tiles": blocks}}
    (workflow / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    files = ("--configfile", "examples/animals10.yaml", "overlay.yaml")
    before = getrusage(RUSAGE_CHILDREN)
    planned = jobs(snakemake(workflow, "-n", *files))
    after = getrusage(RUSAGE_CHILDREN)
    assert planned["tile"] == 30 * (30 + 4) and planned["gradients"] == 5 * (30 + 4 + 1)
    assert after.ru_utime - before.ru_utime < 15


def test_wrong_settings_are_all_that_is_said(workflow: Path) -> None:
    text = "influence: {top_k: 0, checkpoint: 3}\ntrain: {epochs: many, input_size: 99}\n"
    (workflow / "overlay.yaml").write_text(text)
    arguments = ("-n", "--configfile", "overlay.yaml", "--config", "model={stem: smal}", "speed=7")
    output = snakemake(workflow, *arguments, check=False)
    said = [line for line in output.splitlines() if not line.startswith(("Using", "Config file"))]
    assert said == [
        "Error: the configuration is wrong; nothing was started.",
        "  speed: there is no such setting; did you mean train.seeds?",
        "  model.stem: 'smal' is not one of standard, small; did you mean small?",
        "  train.epochs: 'many' is not a whole number from 0 to 100,000",
        "  influence.checkpoint: there is no such setting; did you mean influence.checkpoints?",
        "  influence.top_k: 0 is not a whole number from 1 to 1,000,000",
        "  train.input_size: 99 pixels are more than dataset.stored_size, 36; "
        "lower it or raise that",
    ]


def test_a_setting_given_twice_is_refused(workflow: Path) -> None:
    twice = "train:\n  epochs: 3\n  epochs: 5\n"
    (workflow / "overlay.yaml").write_text(twice)
    with open(workflow / "config.yaml", "a") as file:
        file.write("figures: {mistakes: 1}\n")
    output = snakemake(workflow, "-n", "--configfile", "overlay.yaml", check=False)
    told = "gives it in line 2 and again in line 3; keep one of both"
    assert f"  train.epochs: {workflow / 'overlay.yaml'} {told}" in output
    assert f"  figures: {workflow / 'config.yaml'} gives it in line " in output


def test_lists_longer_than_the_training_images_are_found_in_advance(workflow: Path) -> None:
    manifest = "path;label\n" + "".join(f"{n}.png;{n % 2}\n" for n in range(50))
    (workflow / "labels.csv").write_text(manifest)
    arguments = ("-n", "--config", "dataset={source: manifest, path: labels.csv}")
    (workflow / "overlay.yaml").write_text("influence: {top_k: 37}\n")
    output = snakemake(workflow, *arguments, "--configfile", "overlay.yaml", check=False)
    assert "influence.top_k: 37 is more than the train split will have images, about 36" in output
    (workflow / "labels.csv").write_text(f"{manifest}../out.png;1\n51.png;\n")
    output = snakemake(workflow, *arguments, check=False)
    assert "Error: labels.csv can't be used; nothing was read.\n  line 52: the path" in output
    assert "\n  line 53: the label is empty" in output and "Traceback" not in output


def test_folds_are_trained_as_label_sets_of_their_own(demo: Path) -> None:
    with setting(demo, "label_errors.folds", 3) as overlay:
        planned = jobs(snakemake(demo, "-n", "--configfile", str(overlay)))
    extra = {"fold_labels": 3, "train": 3, "views": 3, "votes": 3}
    assert planned == extra | dict.fromkeys(AFTER_SIGNALS, 1) | {"merge": 2}


def test_judges_are_trained_with_other_seeds_and_nothing_else(demo: Path) -> None:
    with setting(demo, "label_errors.effort", "thorough") as overlay:
        planned = snakemake(demo, "-n", "--configfile", str(overlay))
    extra = dict.fromkeys(["train", "views", "votes"], 2)
    assert jobs(planned) == extra | dict.fromkeys(AFTER_SIGNALS, 1) | {"merge": 2}
    # The joint of the validation images is that of all networks.
    read = planned.split("rule suspects:")[1].split("output:")[0]
    assert all(f"-judge/seed{seed}/label_errors/views" in read for seed in (1, 2))
