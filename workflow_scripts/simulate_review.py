"""Simulate a review by an oracle, where the true labels are known: `--help` says how."""

import argparse
import os
import sys
from pathlib import Path

import pandas as pd
import yaml
from snakemake.utils import update_config

from tracin.figures.simulation import simulation_figure
from tracin.figures.style import save
from tracin.files import write_csv
from tracin.review.simulation import read_orders, read_simulation, recovered, simulate
from tracin.runtime import pick_device, write_error

sys.excepthook = write_error
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--configfile", type=Path, help="overlay over config.yaml, as for snakemake")
parser.add_argument("--results", type=Path, default=Path("results"), help="of a workflow run")
parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
parser.add_argument("--shares", type=float, nargs="+", default=[0.05, 0.1, 0.25])
parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
given = parser.parse_args()
config = yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8"))
if given.configfile:
    update_config(config, yaml.safe_load(given.configfile.read_text(encoding="utf-8")))
device = pick_device(config["compute"]["device"], given.threads)
simulation, orders = read_simulation(config, given.results, device), read_orders(given.results)
output, rows = given.results / "simulated_review", []
for seed in given.seeds:
    for row in simulate(simulation, seed, given.shares, orders):
        rows.append(row)
        write_csv(pd.DataFrame(rows), output / "runs.csv")
table = pd.DataFrame(rows)
write_csv(recovered(table), output / "recovered.csv")
save(simulation_figure(table), output / "simulated_review.png")
print(recovered(table).to_string(index=False))
