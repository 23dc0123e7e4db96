"""More tasks than one array may hold, on a real Slurm."""

from pathlib import Path

import pytest

from tests.conftest import ROOT, snakemake
from tests.slurm.cluster import Cluster
from tests.slurm.runs import PROFILE

WORKFLOW = """
include: "{root}/rules/arrays.smk"

rule all:
    input: expand("out/{{i}}", i=range(60))

rule merge:
    output: "out/{{i}}"
    shell: "echo {{wildcards.i}} > {{output}}"
"""


@pytest.mark.slow
def test_sixty_tasks_each_do_their_own_job(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(WORKFLOW.format(root=ROOT))
    (tmp_path / "profiles").symlink_to(ROOT / "profiles")
    # Four GPUs: no more at once.
    asked = ("--set-resources", "merge:mem_mb=1000", "merge:gpu=1")
    snakemake(tmp_path, *PROFILE, *asked, "--retries", "0")
    made = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert made == {str(i): f"{i}\n" for i in range(60)}
    arrays = {job.id.split("_")[0] for job in cluster.jobs(tmp_path)}
    assert 1 < len(arrays) < 6
