"""Jobs that run out of time or memory or lose their node: they go on, and results are the same."""

import re
import shutil
from collections import Counter
from pathlib import Path

import pandas as pd

from tests.conftest import snakemake
from tests.rules.test_plan import setting
from tests.slurm.cluster import Cluster
from tests.slurm.runs import COMMON, PROFILE, Run, Unlucky, ask_for, results, same

TOPK = "results/original/seed0/influence/topk.parquet"
# MB: less than torch takes, and then enough.
LITTLE = {"mem_mb": "250 if attempt == 1 else 2000"}


def epochs(log: str) -> list[int]:
    """Epochs that a start of the training took."""
    return [int(number) for number in re.findall(r"'epoch': (\d+)", log)]


def test_a_training_out_of_time_is_submitted_again_with_more(unlucky: Unlucky) -> None:
    asked = [(job.state, job.minutes) for job in unlucky.jobs if job.rule == "train"]
    assert asked == [("TIMEOUT", 1), ("COMPLETED", 30)]


def test_a_training_whose_node_was_lost_is_started_again_by_slurm(unlucky: Unlucky) -> None:
    assert [job.restarts for job in unlucky.jobs if job.rule == "train"] == [0, 1]
    assert {job.node for job in unlucky.jobs if job.rule == "train"} == {"node3"}


def test_a_training_goes_on_from_its_last_epoch(unlucky: Unlucky) -> None:
    first, second, third = unlucky.logs
    taken = [epochs(log) for log in unlucky.logs]
    assert [epoch for part in taken for epoch in part] == [1, 2, 3, 4] and all(taken)
    assert "goes on" not in first
    assert f"goes on after epoch {taken[0][-1]}," in second
    assert f"goes on after epoch {taken[1][-1]}," in third


def test_its_weights_are_those_of_an_uninterrupted_training(unlucky: Unlucky) -> None:
    there, here = results(unlucky.folder), results(unlucky.local)
    kinds = Counter(Path(name).suffix for name in there if "seed0" in name)
    assert kinds == {".safetensors": 3, ".parquet": 1}
    assert [name for name in there if not same(here[name], there[name])] == []


def test_tiles_out_of_memory_are_submitted_again_with_more(
    cluster: Cluster, run: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder, symlinks=True)
    ask_for(folder, "tile", LITTLE)
    with setting(folder, "influence.top_k", 7) as overlay:
        snakemake(folder, TOPK, *COMMON, str(overlay), *PROFILE)
    new = cluster.jobs(folder)
    # A new top_k submits tiles and merges only.
    assert {job.rule for job in new} == {"tile", "merge", "topk"}
    # An array asks for one MB more, for the list of its tasks.
    tiles = Counter((job.state, job.mem_mb // 10 * 10) for job in new if job.rule == "tile")
    assert tiles == {("FAILED", 250): 2, ("COMPLETED", 2000): 2}
    before, after = (pd.read_parquet(path / TOPK) for path in (run.folder, folder))
    shorter = before[before["rank"] <= 7].reset_index(drop=True)
    pd.testing.assert_frame_equal(after.reset_index(drop=True), shorter)
