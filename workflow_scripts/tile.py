"""Top-k of one block of test images against one block of training images."""

from tracin.files import write_parquet
from tracin.gradients import by_slot
from tracin.influence import tile_scores, topk_table
from tracin.runtime import pick_device, start_log

start_log(snakemake.log[0])
device = pick_device(snakemake.resources.device, snakemake.threads)
params = snakemake.params


def slots(shards: list[str], block: int, blocks: int):
    """Shards come slot by slot, the same number for each."""
    size = len(shards) // params.slots
    groups = [shards[i * size : (i + 1) * size] for i in range(params.slots)]
    return by_slot(groups, block, blocks)


wildcards = snakemake.wildcards
reader = wildcards.reader
read = slots(list(snakemake.input.read), int(wildcards.i), params.tiles[reader])
train = slots(list(snakemake.input.train), int(wildcards.j), params.tiles["train"])
# A training image's own entry, one at most, is dropped: its place is kept for the next.
k = params.top_k["k"] + (reader == "train")
table = topk_table(*tile_scores(read, train, device), k)
write_parquet(table[table["test_id"] != table["train_id"]], snakemake.output.tile)
