"""Training and validation images, in several views, through the best weights."""

import pandas as pd

from tracin.checkpoints import load_checkpoint
from tracin.images import Augmentation, open_pixels
from tracin.label_errors.viewing import Viewing, checkpoint_before, see
from tracin.label_errors.views import save_views
from tracin.runtime import pick_device, start_log
from tracin.samples import read_samples

start_log(snakemake.log[0])
given, resources = snakemake.input, snakemake.resources
device = pick_device(resources.device, snakemake.threads)
model, facts = load_checkpoint(given.best)
# Held-out folds are not trained on, but looked at; test images are neither.
splits = pd.read_parquet(given.manifest, columns=["split"])["split"]
samples = read_samples(given.manifest, given.labels, split=None).slice(
    (splits != "test").to_numpy()
)
viewing = Viewing(
    augmentation=Augmentation(**snakemake.params.augmentation),
    random=snakemake.params.random,
    input_size=facts.input_size,
    batch_size=resources.batch_size,
    precision=snakemake.params.precision,
    workers=resources.workers,
)
before = [load_checkpoint(path)[0] for path in checkpoint_before(given.best, given.slots)]
views = see(model, open_pixels(given.pixels), samples, viewing, device, before)
save_views(views, snakemake.output.views)
