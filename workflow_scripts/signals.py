"""Every signal of a wrong label that one run gives."""

import pandas as pd

from tracin.dynamics import read_dynamics
from tracin.files import write_parquet
from tracin.label_errors.neighbours import read_neighbours
from tracin.label_errors.table import RunFiles, signal_table
from tracin.label_errors.views import read_views
from tracin.label_errors.votes import read_votes
from tracin.runtime import pick_device, start_log
from tracin.samples import read_samples
from tracin.shards import by_slot

start_log(snakemake.log[0])
pick_device("cpu", snakemake.threads)
given, params = snakemake.input, snakemake.params


def slots(paths: list[str]):
    """Shards come slot by slot, the same number for each; sketches would be most of the memory."""
    size = len(paths) // params.slots
    return by_slot([paths[i : i + size] for i in range(0, len(paths), size)], sketches=False)


train = read_samples(given.manifest, given.labels, "train")
digests = pd.read_parquet(given.manifest, columns=["sample_id", "sha256"]).set_index("sample_id")
run = RunFiles(
    train=train,
    contents=digests.loc[train.ids, "sha256"].to_numpy(),
    val=read_samples(given.manifest, given.labels, "val"),
    dynamics=read_dynamics(given.dynamics),
    views=read_views(given.views),
    neighbours=read_neighbours(given.neighbours),
    self_influence=pd.read_parquet(given.self_influence),
    lists=pd.concat([pd.read_parquet(path) for path in given.lists], ignore_index=True),
    train_slots=slots(list(given.train)),
    val_slots=slots(list(given.val)),
    others=[read_votes(path) for path in given.others],
)
write_parquet(signal_table(run, params.neighbours["k"]), snakemake.output.signals)
