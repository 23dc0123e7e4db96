"""The demo on a real Slurm, disturbed in mid-run: same results, only what is stale is submitted."""

from collections import Counter

import pytest

from tests.conftest import snakemake
from tests.rules.test_plan import AFTER_TRAINING, LISTS, jobs, setting
from tests.slurm.cluster import GPUS_PER_NODE, most_at_once
from tests.slurm.runs import COMMON, PROFILE, Run, results, same

# GPUs, MB and minutes of a first attempt, as the profile has them.
REQUESTS = {
    "write_digits": (0, 2000, 30),
    "ingest": (0, 8000, 120),
    "dataset": (0, 2000, 2 * 30),
    "near_duplicates": (0, 8000, 30),
    "train": (1, 16000, 720),
    "predict": (1, 8000, 60),
    "views": (1, 8000, 120),
    "gradients": (1, 8000, 60),
    "tile": (1, 16000, 60),
    "self_influence": (0, 8000, 30),
    "merge": (0, 4000, 30),
    "topk": (0, 8000, 30),
    "signals": (0, 16000, 60),
    "evaluate": (0, 2000, 30),
    "mispredictions": (0, 2000, 30),
    "cross_reference": (0, 4000, 30),
    "suspects": (0, 8000, 30),
    "neighbours": (0, 8000, 120),
    "outliers": (0, 2000, 30),
    "summarise": (0, 2000, 30),
    "timings": (0, 2000, 30),
    "review_page": (0, 8000, 30),
    "export_tables": (0, 2000, 30),
    "plot_learning_curves": (0, 2000, 30),
    "plot_confusion": (0, 2000, 30),
    "plot_mispredictions": (0, 2000, 30),
    "plot_mistakes": (0, 4000, 30),
    "plot_recall": (0, 2000, 30),
    "plot_overall": (0, 4000, 30),
    "plot_classes": (0, 4000, 30),
    "plot_top_images": (0, 4000, 30),
    "plot_candidates": (0, 2000, 30),
}


def test_every_result_equals_a_local_run(run: Run) -> None:
    here, there = results(run.local), results(run.folder)
    assert here.keys() == there.keys() and len(here) > 50
    assert [name for name in here if not same(here[name], there[name])] == []


def test_each_rule_asked_for_what_the_profile_says(run: Run) -> None:
    again = {job.rule for job in run.cancelled}
    for rule, request in REQUESTS.items():
        asked = [(job.gpus, job.mem_mb, job.minutes) for job in run.jobs if job.rule == rule]
        assert asked, rule
        # An array asks for one MB more, for the list of its tasks.
        first = [(gpus, mem_mb // 100 * 100, minutes) for gpus, mem_mb, minutes in asked]
        gpus, mem_mb, minutes = request
        expected = {request, (gpus, 2 * mem_mb, 2 * minutes)} if rule in again else {request}
        assert set(first) == expected, rule
    assert {job.rule for job in run.jobs} == set(REQUESTS)


def test_no_more_gpu_jobs_ran_than_there_are_gpus(run: Run) -> None:
    assert most_at_once(run.jobs, lambda job: job.gpus) == 2 * GPUS_PER_NODE
    for node in ("node1", "node2"):
        on_it = [job for job in run.jobs if job.node == node]
        assert most_at_once(on_it, lambda job: job.gpus) <= GPUS_PER_NODE


def test_tiles_and_shards_are_submitted_together(run: Run) -> None:
    for rule in ("gradients", "tile"):
        arrays = Counter(job.id.split("_")[0] for job in run.jobs if job.rule == rule)
        assert arrays.most_common(1)[0][1] > 1


def test_each_job_saw_the_gpu_that_it_was_given(run: Run) -> None:
    logs = run.folder / "results/logs/original/seed0"
    for path in (logs / "train.log", *(logs / "gradients").rglob("*.log")):
        assert "the GPU 0 that was given" in (text := path.read_text()) or "GPU 1 that" in text


def test_cancelled_jobs_were_submitted_again(run: Run) -> None:
    assert [job.rule for job in run.cancelled] == ["train", "tile"]
    by_id = {job.id: job for job in run.jobs}
    for job in run.cancelled:
        assert by_id[job.id].state == "CANCELLED"
    assert run.output.count("Trying to restart job") == 2
    assert [job.state for job in run.jobs if job.rule == "train"] == ["CANCELLED", "COMPLETED"]


def test_a_cancelled_task_takes_no_other_of_its_array_with_it(run: Run) -> None:
    """It is the first that ran, and plugin 2.8 starts all others as the first."""
    assert {job.state for job in run.jobs} == {"CANCELLED", "COMPLETED"}


def test_a_drained_node_gets_no_new_jobs(run: Run) -> None:
    on_it = [(job.started, job.state) for job in run.jobs if job.node == "node2" and job.started]
    assert not [start for start, _ in on_it if run.drained < start < run.resumed]
    # Those that ran there at the time went on to their ends.
    assert {state for start, state in on_it if start <= run.drained} == {"COMPLETED"}


def test_a_finished_run_has_nothing_to_submit(run: Run) -> None:
    assert jobs(snakemake(run.folder, "-n", *COMMON, *PROFILE)) == {}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("influence.top_k", 7, LISTS),
        ("figures.mistakes", 1, {"plot_mistakes"}),
        ("train.seeds", [0, 1], AFTER_TRAINING | {"cross_runs"}),
    ],
)
def test_only_what_is_stale_is_submitted(
    run: Run, key: str, value: object, expected: set[str]
) -> None:
    with setting(run.folder, key, value) as overlay:
        planned = snakemake(run.folder, "-n", *COMMON, str(overlay), *PROFILE)
    assert set(jobs(planned)) == expected
    if key == "train.seeds":
        assert not any("seed0" in line for line in planned.splitlines() if "output: " in line)
