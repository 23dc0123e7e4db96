"""Top-k of one block of test images against one block of training images."""

from tracin.arithmetic import matrix_units
from tracin.files import write_parquet
from tracin.runtime import pick_device, start_log
from tracin.shards import by_slot
from tracin.tiles import tile_table

start_log(snakemake.log[0])
device = pick_device(snakemake.resources.device, snakemake.threads)
params = snakemake.params


def slots(shards: list[str], block: int, blocks: int):
    """Shards come slot by slot, the same number for each."""
    size = len(shards) // params.slots
    groups = [shards[i * size : (i + 1) * size] for i in range(params.slots)]
    return by_slot(groups, block, blocks)


wildcards = snakemake.wildcards
read = slots(list(snakemake.input.read), int(wildcards.i), params.tiles[wildcards.reader])
train = slots(list(snakemake.input.train), int(wildcards.j), params.tiles["train"])
cosine = params.normalise == "cosine"
with matrix_units(params.precision, device):
    table = tile_table(read, train, params.top_k["k"], device, cosine)
write_parquet(table, snakemake.output.tile)
