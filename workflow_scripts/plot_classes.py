"""Draw a dashboard for each class of test images."""

import numpy as np
import pandas as pd

from tracin.figures.per_class import class_dashboards
from tracin.figures.style import save
from tracin.files import atomic_folder
from tracin.results import read_classes, read_images
from tracin.runtime import start_log

start_log(snakemake.log[0])
inputs = snakemake.input
dashboards = class_dashboards(
    read_images(inputs.predictions, inputs.manifest, inputs.classes),
    pd.read_parquet(inputs.topk),
    read_classes(inputs.classes),
    np.load(inputs.pixels, mmap_mode="r"),
    snakemake.params.classes,
)
with atomic_folder(snakemake.output.folder) as folder:
    for name, figure in dashboards:
        save(figure, folder / f"{name}_dashboard.png")
