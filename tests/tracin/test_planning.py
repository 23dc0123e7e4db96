"""The estimate of a plan: its jobs are the plan's, its sizes are those of a finished run."""

import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tests.conftest import ROOT, snakemake
from tests.rules.test_plan import jobs
from tracin.planning.costs import Costs, Data
from tracin.planning.counting import count_images
from tracin.planning.network import network_of
from tracin.planning.plan import Job, read_plan
from tracin.planning.rates import Rates, Trial, decoder, measure, per_second
from tracin.planning.table import estimate, text
from tracin.units import duration, size

SETTINGS: dict[str, Any] = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
RATES: Rates = dict.fromkeys(("train", "forward", "gradients", "augment", "decode"), 100.0)
RATES |= {"pairs": 1e6, "start": 2.0, "idle": 330e6}
OVERLAY: dict[str, Any] = {
    "train": {"seeds": [0, 1]},
    "influence": {"checkpoints": 3, "tiles": {"train": 3, "test": 2}},
    "label_errors": {"folds": 2, "networks": 1},
}
GIVEN = [f"--images-per-second-{name}=50" for name in ("train", "forward", "augment", "decode")]


def run_estimate(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, folder / "workflow_scripts" / "estimate.py", *options],
        cwd=folder,
        capture_output=True,
        text=True,
    )


def test_the_command_lists_the_jobs_of_the_plan(workflow: Path) -> None:
    """Several seeds, other slots, tiles and folds, of more images than there are."""
    (workflow / "overlay.yaml").write_text(yaml.safe_dump(OVERLAY))
    options = ("--configfile", "overlay.yaml")
    done = run_estimate(workflow, *options, "--images=5000", "--measure=0.01", *GIVEN)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    planned = jobs(snakemake(workflow, "-n", *options))
    listed = {line[0]: int(line[1]) for line in lines if line and line[0] in planned}
    assert listed == planned
    assert f"jobs: {sum(planned.values())}, one after the other" in done.stdout
    assert "5,000 images (3,600 train, 400 val, 1,000 test) of 10 classes" in done.stdout
    assert "training 50 images/s" in done.stdout and "GPU hours: 0.00" in done.stdout


def test_settings_of_the_command_line_count_as_in_snakemake(workflow: Path) -> None:
    """The last word is that of --config, whose nested values are text in Snakemake, too."""
    (workflow / "overlay.yaml").write_text("model: {architecture: resnet50}")
    options = ("--configfile", "overlay.yaml", "--images=5000", "--measure=0.01", *GIVEN)
    sizes = []
    for network in ((), ("--config", "model={architecture: resnet18}")):
        done = run_estimate(workflow, *network, *options)
        assert done.returncode == 0, done.stderr
        rows = [line.split() for line in done.stdout.splitlines()]
        train = next(row for row in rows if row[:1] == ["train"])
        sizes.append(train[4:6])
    # A ResNet-50 and a ResNet-18, five times each: weights of the best epoch and of four slots.
    assert [round(float(size), -1) for size, unit in sizes if unit == "MB"] == [470, 220]
    wrong = run_estimate(workflow, "--config", "train={epochs: 5}", *options)
    assert "train.epochs" in wrong.stderr and not wrong.stdout
    wrong = run_estimate(workflow, "--config", "train", *options)
    assert "name=value" in wrong.stderr and not wrong.stdout


def test_a_plan_for_gpus_is_not_measured_without_one(workflow: Path) -> None:
    (workflow / "overlay.yaml").write_text("compute: {device: cuda}")
    done = run_estimate(workflow, "results/nothing", "--configfile", "overlay.yaml")
    assert done.returncode == 1 and "MissingRuleException" in done.stderr
    done = run_estimate(workflow, "--configfile", "overlay.yaml")
    assert "--images-per-second-train" in done.stderr and not done.stdout


def test_jobs_wildcards_and_gpus_are_read(workflow: Path) -> None:
    (workflow / "overlay.yaml").write_text("compute: {device: cuda}")
    output = snakemake(workflow, "-n", "--configfile", "overlay.yaml")
    found = read_plan(output)
    counts = pd.Series([job.rule for job in found]).value_counts()
    assert counts.to_dict() == jobs(output)
    assert {job.rule for job in found if job.gpus} == {
        "train",
        "predict",
        "views",
        "gradients",
        "tile",
    }
    shards = {tuple(job.wildcards.values())[2:] for job in found if job.rule == "gradients"}
    assert len(shards) == 16 and ("3", "train", "1") in shards
    grouped = output.replace("\nrule ", "\n    rule ")  # as jobs of a cluster's group are printed
    assert read_plan(grouped) == found


def test_sizes_are_those_of_the_finished_demo(demo: Path) -> None:
    data, _, counted = count_images(SETTINGS, demo)
    assert data.images == 1797 and counted.endswith("manifest.parquet")
    costs = Costs(SETTINGS, data, network_of(SETTINGS, data.classes), RATES)
    plan = read_plan(snakemake(demo, "-n", "--forceall"))
    found = estimate(plan, costs).set_index("rule").astype(float)
    disk, memory = found["disk"].to_dict(), found["memory"].to_dict()
    run = demo / "results/original/seed0"
    outputs = {
        "ingest": [demo / "results/dataset/pixels.npy"],
        "train": [run / "best.safetensors", run / "dynamics.safetensors", run / "checkpoints"],
        "gradients": [run / "gradients"],
        "views": [run / "label_errors/views.safetensors"],
        "topk": list((run / "influence").glob("[ti]*.[pnc]*")),
    }
    for rule, paths in outputs.items():
        files = [f for path in paths for f in (path.rglob("*") if path.is_dir() else [path])]
        real = sum(file.stat().st_size for file in files if file.is_file())
        assert disk[rule] == pytest.approx(real, rel=0.4), rule
    measured = pd.read_parquet(demo / "results/original/timings.parquet").set_index("rule")
    peaks = measured["peak_memory_mb"].to_dict()
    for rule in (
        "train",
        "gradients",
        "predict",
        "views",
        "tile",
        "self_influence",
        "signals",
        "suspects",
    ):
        assert 0.5 < memory[rule] / (peaks[rule] * 2**20) < 2, rule


def test_gpu_hours_and_sums_by_hand() -> None:
    data = Data({"train": 8000, "val": 1000, "test": 1000}, 10)
    costs = Costs(SETTINGS, data, network_of(SETTINGS, 10), RATES)
    wildcards = {"labels": "original", "seed": "0"}
    shard = wildcards | {"split": "train", "block": "0", "slot": "0"}
    table = estimate([Job("train", wildcards, 1), *[Job("gradients", shard, 1)] * 2], costs)
    epochs = 10 * 80 + 11 * 10 + 80  # full ones, validation, the head's
    assert table["seconds"].tolist() == [epochs + 2, 2 * (40 + 2)]
    assert table["gpu_seconds"].tolist() == table["seconds"].tolist()
    assert table["disk"].iloc[1] == 2 * 4000 * 4 * (512 + 1 + 10)
    # torch's compiler, which optimizers load, is not in what a job starts with.
    assert table["memory"].iloc[0] == 330e6 + 70e6 and table["gpu_memory"].iloc[0] > 4 * 45e6
    shown = text(table, data, "somewhere", RATES)
    assert f"GPU hours: {(epochs + 2 + 84) / 3600:.2f}" in shown and "(train)" in shown


def test_sketches_are_in_shards_only() -> None:
    data = Data({"train": 8000, "val": 1000, "test": 1000}, 10)
    influence = SETTINGS["influence"] | {"layers": "all", "projection_dim": 16}
    settings = SETTINGS | {"influence": influence}
    head, beyond = (Costs(s, data, network_of(s, 10), RATES) for s in (SETTINGS, settings))
    run = {"labels": "original", "seed": "0", "split": "train", "block": "0", "slot": "0"}
    for rule in ("views", "votes", "neighbours", "signals"):
        before, after = head.of(Job(rule, run, 0)), beyond.of(Job(rule, run, 0))
        assert (after.disk, after.host, after.device) == (before.disk, before.host, before.device)
    # 14,720 numbers of sketches beside the 523 of the head, whose pairs are as fast as before.
    ratio = (14720 + 523) / 523
    shards = [costs.of(Job("gradients", run, 0)).disk for costs in (head, beyond)]
    assert shards[1] / shards[0] == pytest.approx(ratio)
    seconds = [costs.of(Job("neighbours", run, 0)).seconds for costs in (head, beyond)]
    assert seconds[0] / seconds[1] == pytest.approx(ratio)


def test_suspects_hold_every_class_of_every_image() -> None:
    data = Data({"train": 8000, "val": 1000, "test": 1000}, 1000)
    costs = Costs(SETTINGS, data, network_of(SETTINGS, 1000), RATES)
    run = {"labels": "original", "seed": "0"}
    assert costs.of(Job("suspects", run, 0)).host == 2e8 + 8000 * (3300 + 72 * 1000)


def test_a_dense_tile_holds_all_its_scores_and_three_slots() -> None:
    """A pruned one holds the other way round: on a GPU, and with sketches, tiles are dense."""
    data = Data({"train": 8000, "val": 1000, "test": 1000}, 10)
    sketched = SETTINGS | {"influence": SETTINGS["influence"] | {"layers": ["layer4"]}}
    tile = {"labels": "original", "seed": "0", "reader": "test", "i": "0", "j": "0"}
    for settings, gpus, dense in ((SETTINGS, 0, False), (SETTINGS, 1, True), (sketched, 0, True)):
        network = network_of(settings, 10)
        cost = Costs(settings, data, network, RATES).of(Job("tile", tile, gpus))
        slot = (1000 + 4000) * network.width * 4
        assert cost.host == (2 if dense else settings["influence"]["checkpoints"]) * slot
        scores = 3 * 1000 * 4000 * 4 + 3 * slot if dense else 4 * 1000 * 4000 * 4
        assert cost.device == scores and cost.seconds > 0


def test_the_start_of_a_job_is_measured_with_this_ones_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The GPUs that it may use, for one."""
    given: dict[str, Any] = {}

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        given.update(options, device=command[-1])
        return subprocess.CompletedProcess(command, 0, "330e6\n")

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setattr("tracin.planning.rates.subprocess.run", run)
    settings = SETTINGS | {"compute": SETTINGS["compute"] | {"device": "cpu"}}
    found = measure(settings, 10, [], dict.fromkeys(RATES.keys() - {"start", "idle"}, 1.0), 0.01)
    assert found["idle"] == 330e6 and given["device"] == "cpu"
    assert given["env"]["CUDA_VISIBLE_DEVICES"] == "3"


def test_the_measured_tile_holds_what_shards_do(tmp_path: Path) -> None:
    settings = SETTINGS | {"influence": SETTINGS["influence"] | {"layers": ["layer4"]}}
    trial = Trial(settings, 10, tmp_path)
    slots = trial.crossed
    assert len(slots) == settings["influence"]["checkpoints"]
    tensors, _ = slots[0]
    held = tensors.activations.shape[1] + tensors.errors.shape[1]
    assert held + tensors.sketches["backbone"].values.shape[1] == network_of(settings, 10).width
    assert trial.pairs() == len(slots) * len(tensors.sample_id)
    trial.cross(4)


def test_judges_and_folds_take_their_own_epochs_and_images() -> None:
    settings = SETTINGS | {"label_errors": SETTINGS["label_errors"] | {"folds": 4}}
    data = Data({"train": 8000, "val": 1000, "test": 1000}, 10)
    costs = Costs(settings, data, network_of(settings, 10), RATES)
    runs = [{"labels": labels, "seed": "0"} for labels in ("original-judge", "original-fold3")]
    seconds = [costs.of(Job("train", run, 1)).seconds for run in runs]
    assert seconds == [30 * 80 + 31 * 10 + 80, 10 * 60 + 11 * 10 + 60]


def test_images_are_counted_where_they_are(tmp_path: Path) -> None:
    raw = tmp_path / "data" / "raw"
    for name in ("cat", "dog"):
        (raw / name).mkdir(parents=True)
        for number in range(20):
            (raw / name / f"{number}.jpg").touch()
    dataset = SETTINGS["dataset"] | {"source": "folder"}
    data, some, _ = count_images({"dataset": dataset}, tmp_path)
    assert data == Data({"train": 29, "val": 3, "test": 8}, 2) and some[0].is_file()
    other = tmp_path / "results" / "dataset" / "manifest.parquet"
    other.parent.mkdir(parents=True)
    pd.DataFrame({"split": ["train", "test"], "label": ["x", "y"]}).to_parquet(other)
    assert count_images({"dataset": dataset}, tmp_path, listed=False)[0] == data
    found = Data({"train": 1, "val": 0, "test": 1}, 2)
    assert count_images({"dataset": dataset}, tmp_path)[0] == found
    other.unlink()
    table = pd.DataFrame({"path": list("abcd"), "label": list("xyxy")})
    table.assign(split=["train", "train", "val", "test"]).to_csv(tmp_path / "some.csv")
    dataset |= {"source": "manifest", "path": "some.csv"}
    assert count_images({"dataset": dataset}, tmp_path)[0] == Data(
        {"train": 2, "val": 1, "test": 1}, 2
    )


def test_every_rate_is_measured() -> None:
    found = measure(SETTINGS, 10, [], {"train": 7.0}, 0.01)
    assert found.keys() == RATES.keys() and found["train"] == 7.0
    assert all(rate > 0 for rate in found.values())
    assert 100e6 < found["idle"] < 4e9
    measure(SETTINGS, 10, [], dict.fromkeys(RATES.keys() - {"train"}, 1.0), 0.01)


def test_constant_parts_fall_out_of_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def work(n: int) -> None:
        clock[0] += 5 + n / 100

    monkeypatch.setattr("tracin.planning.rates.time.perf_counter", lambda: clock[0])
    assert per_second(work, 30.0) == pytest.approx(100)
    decoder([], 16)(2)


@pytest.mark.parametrize("disturbed", [(1,), (2,), (3, 4, 5), (7,), (8, 9)])
def test_a_pass_that_is_held_up_makes_no_rate(
    monkeypatch: pytest.MonkeyPatch, disturbed: tuple[int, ...]
) -> None:
    """By half a minute: kernels for a new size, other work on the machine."""
    clock, passes = [0.0], count()

    def work(n: int) -> None:
        clock[0] += n / 100 + 30 * (next(passes) in disturbed)

    monkeypatch.setattr("tracin.planning.rates.time.perf_counter", lambda: clock[0])
    assert per_second(work, 1.0) == pytest.approx(100)


def test_units() -> None:
    assert [duration(s) for s in (0, 5, 90, 7200)] == ["", "5 s", "1.5 min", "2.0 h"]
    assert [size(n) for n in (0, 2e3, 3e6, 4.5e9, 1e12)] == [
        "",
        "2 kB",
        "3.0 MB",
        "4.5 GB",
        "1.0 TB",
    ]
