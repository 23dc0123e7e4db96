"""Every image, in several views, through the best weights."""

from tracin.checkpoints import load_checkpoint
from tracin.images import Augmentation, open_pixels
from tracin.label_errors.views import Viewing, save_views, see
from tracin.runtime import pick_device, start_log
from tracin.samples import read_samples

start_log(snakemake.log[0])
given, resources = snakemake.input, snakemake.resources
device = pick_device(resources.device, snakemake.threads)
model, facts = load_checkpoint(given.best)
samples = read_samples(given.manifest, given.labels, split=None)
viewing = Viewing(
    augmentation=Augmentation(**snakemake.params.augmentation),
    random=snakemake.params.random,
    input_size=facts.input_size,
    batch_size=resources.batch_size,
)
views = see(model, open_pixels(given.pixels), samples, viewing, device)
save_views(views, snakemake.output.views)
