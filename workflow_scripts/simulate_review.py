"""Simulate a review by an oracle, where the true labels are known: `--help` says how."""

import argparse
import os
from pathlib import Path

import pandas as pd
import yaml
from snakemake.utils import update_config

from tracin.figures.simulation import simulation_figure
from tracin.figures.style import save
from tracin.files import write_csv
from tracin.review.simulation import EVERYTHING, NOTHING, read_simulation, recovered, simulate
from tracin.runtime import pick_device

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--configfile", type=Path, help="overlay over config.yaml, as for snakemake")
parser.add_argument("--results", type=Path, default=Path("results"), help="of a workflow run")
parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
parser.add_argument("--shares", type=float, nargs="+", default=[0.05, 0.1, 0.25])
parser.add_argument("--output", type=Path, help="folder; default: simulated_review in --results")
given = parser.parse_args()
output = given.output or given.results / "simulated_review"
config = yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8"))
if given.configfile:
    update_config(config, yaml.safe_load(given.configfile.read_text(encoding="utf-8")))
device = pick_device(config["compute"]["device"], os.cpu_count() or 1)
simulation = read_simulation(config, given.results, device)
suspects = given.results / "original" / "label_errors" / "suspects.parquet"
orders = {}
if suspects.exists():
    ranked = pd.read_parquet(suspects, columns=["train_id", "rank"]).sort_values("rank")
    orders["suspects"] = ranked["train_id"].to_numpy()
rows = []
for seed in given.seeds:
    for row in simulate(simulation, seed, given.shares, orders):
        print(row, flush=True)
        rows.append(row)
        write_csv(pd.DataFrame(rows), output / "runs.csv")
table = pd.DataFrame(rows)
write_csv(recovered(table), output / "recovered.csv")
save(simulation_figure(table, NOTHING, EVERYTHING), output / "simulated_review.png")
print(recovered(table).to_string(index=False))
