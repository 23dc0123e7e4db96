"""What a run will take, before anything runs: jobs, GPU hours, disk and memory.

python workflow_scripts/estimate.py [--configfile FILE ...] [--config KEY=VALUE ...]
    [what else `snakemake -n` shall get]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import torch
import yaml
from snakemake.cli import parse_config
from snakemake.utils import update_config

from tracin.planning.costs import Costs
from tracin.planning.counting import count_images
from tracin.planning.network import network_of
from tracin.planning.plan import Job, read_plan
from tracin.planning.rates import measure
from tracin.planning.table import estimate, text

BASE = Path(__file__).resolve().parents[1]
GIVEN = ("train", "forward", "gradients", "augment", "decode")


def arguments() -> tuple[argparse.Namespace, list[str]]:
    """This command's options, and those that are Snakemake's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configfile", nargs="+", default=[], metavar="FILE")
    parser.add_argument("--config", "-C", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--directory", type=Path, default=Path(), help="where results/ will be")
    parser.add_argument("--images", type=int, help="how many, if they are not here to be counted")
    parser.add_argument(
        "--measure", type=float, default=1.0, metavar="SECONDS", help="for each rate, about"
    )
    for name in GIVEN:
        parser.add_argument(
            f"--images-per-second-{name}", type=float, dest=name, help="not measured then"
        )
    return parser.parse_known_args()


def planned(options: argparse.Namespace, others: list[str]) -> list[Job]:
    """The jobs of a dry run; Snakemake's own words where it refuses."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(BASE / "Snakefile"), "-n"]
    command += ["--directory", str(options.directory), *others]
    if options.configfile:
        command += ["--configfile", *options.configfile]
    if options.config:
        command += ["--config", *options.config]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(done.stdout)
    return read_plan(done.stdout)


def settings_of(options: argparse.Namespace) -> dict:
    """The settings as Snakemake has them: of the files in turn, then of --config."""
    settings: dict = {}
    for path in (BASE / "config.yaml", *options.configfile):
        try:
            update_config(settings, yaml.safe_load(Path(path).read_text(encoding="utf-8")))
        except OSError as error:
            sys.exit(f"{path} can't be read: {error.strerror}.")
    try:
        update_config(settings, parse_config(options.config))
    except ValueError as error:
        sys.exit(str(error))
    return settings


def main() -> None:
    """Print the estimate."""
    options, others = arguments()
    settings = settings_of(options)
    jobs = planned(options, others)
    if not jobs:
        sys.exit("Nothing to be done.")
    given = {name: rate for name in GIVEN if (rate := getattr(options, name))}
    if any(job.gpus for job in jobs) and not torch.cuda.is_available():
        if not {"train", "forward"} <= given.keys():
            sys.exit(
                "The plan asks for GPUs, and this machine has none to measure. Give the rates of "
                "theirs: --images-per-second-train and --images-per-second-forward."
            )
        given.setdefault("gradients", given["forward"])
        settings["compute"]["device"] = "cpu"
    try:
        listed = not any(job.rule == "manifest" for job in jobs)
        data, files, counted = count_images(settings, options.directory, options.images, listed)
    except (OSError, ValueError) as error:
        sys.exit(f"{error} Or say how many with --images.")
    rates = measure(settings, data.classes, files, given, options.measure)
    costs = Costs(settings, data, network_of(settings, data.classes), rates)
    print(text(estimate(jobs, costs), data, counted, rates))


if __name__ == "__main__":
    main()
