"""Find the training images that are nearest to each in feature space."""

from tracin.label_errors.neighbours import nearest, save_neighbours
from tracin.label_errors.views import read_views
from tracin.runtime import start_log
from tracin.samples import read_samples

start_log(snakemake.log[0])
given = snakemake.input
train = read_samples(given.manifest, given.labels, "train")
views = read_views(given.views).only(train.ids)
found = nearest(train.ids, views.features, snakemake.params.neighbours["k"])
save_neighbours(found, snakemake.output.neighbours)
