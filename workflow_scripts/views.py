"""Every image, and its mirror image, through the best weights."""

from tracin.checkpoints import load_checkpoint
from tracin.images import open_pixels
from tracin.label_errors.views import save_views, see
from tracin.runtime import pick_device, start_log
from tracin.samples import read_samples

start_log(snakemake.log[0])
given, resources = snakemake.input, snakemake.resources
device = pick_device(resources.device, snakemake.threads)
model, facts = load_checkpoint(given.best)
samples = read_samples(given.manifest, given.labels, split=None)
views = see(
    model,
    open_pixels(given.pixels),
    samples,
    facts.input_size,
    snakemake.params.mirror,
    resources.batch_size,
    device,
)
save_views(views, snakemake.output.views)
