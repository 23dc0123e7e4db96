"""One cluster and one set of runs, which all tests of it look at."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import CORES
from tests.slurm.cluster import Cluster
from tests.slurm.runs import (
    FRAIL,
    PROFILE,
    TRAINED,
    Run,
    Unlucky,
    ask_for,
    disturb,
    launch,
    run_out_of_luck,
    small_demo,
)


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    started = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        if reason := started.start():
            pytest.skip(f"no Slurm to test on: {reason}")
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="package")
def runs(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Unlucky]:
    """Two runs through the profile at the same time, and one without it."""
    names = ("local", "slurm", "unlucky")
    local, folder, other = (small_demo(tmp_path_factory.mktemp(name)) for name in names)
    ask_for(other, "train", FRAIL)
    with (
        launch(cluster, local, "--cores", CORES) as without,
        launch(cluster, folder, *PROFILE) as disturbed,
        launch(cluster, other, TRAINED, *PROFILE) as unlucky,
        ThreadPoolExecutor() as beside,
    ):
        luck = beside.submit(run_out_of_luck, unlucky)
        cancelled, drained, resumed = disturb(disturbed)
        logs = luck.result()
        for run in (without, disturbed, unlucky):
            run.end()
    output = (folder / "run.log").read_text()
    logs.append(unlucky.log("train.log"))
    return (
        Run(folder, local, cluster.jobs(folder), cancelled, drained, resumed, output),
        Unlucky(other, local, cluster.jobs(other), logs),
    )


@pytest.fixture(scope="package")
def run(runs: tuple[Run, Unlucky]) -> Run:
    return runs[0]


@pytest.fixture(scope="package")
def unlucky(runs: tuple[Run, Unlucky]) -> Unlucky:
    return runs[1]
