"""Draw the most helpful and the most harmful training images, as grids and one by one."""

import numpy as np
import pandas as pd

from tracin.figures.galleries import detailed_images, top_images
from tracin.figures.style import save
from tracin.files import atomic_folder
from tracin.results import read_images
from tracin.runtime import start_log

start_log(snakemake.log[0])
inputs, output, counts = snakemake.input, snakemake.output, snakemake.params.counts
counted, topk = pd.read_parquet(inputs.appearances), pd.read_parquet(inputs.topk)
images = read_images(inputs.predictions, inputs.manifest, inputs.classes)
pixels = np.load(inputs.pixels, mmap_mode="r")
with atomic_folder(output.detailed) as folder:
    for kind in ("helpful", "harmful"):
        helpful = kind == "helpful"
        save(top_images(counted, images, pixels, helpful, counts["grid"]), output[kind])
        (folder / kind).mkdir()
        pages = detailed_images(counted, images, topk, pixels, helpful, counts["detailed"])
        for name, figure in pages:
            save(figure, folder / kind / f"{name}.png")
