"""One network's votes on all training images of a label set that it saw a part of."""

from tracin.dynamics import read_dynamics
from tracin.label_errors.views import read_views
from tracin.label_errors.votes import cast_votes, save_votes
from tracin.runtime import pick_device, start_log
from tracin.samples import read_samples

start_log(snakemake.log[0])
pick_device("cpu", snakemake.threads)
given = snakemake.input
votes = cast_votes(
    read_views(given.views),
    read_samples(given.manifest, given.labels, "train"),
    read_samples(given.manifest, given.labels, "val"),
    read_dynamics(given.dynamics),
)
save_votes(votes, snakemake.output.votes)
