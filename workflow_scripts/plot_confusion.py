"""Draw the confusion matrix."""

import json
from pathlib import Path

import numpy as np

from tracin.figures.confusion import confusion_figure
from tracin.figures.style import save
from tracin.runtime import start_log

start_log(snakemake.log[0])
evaluation = json.loads(Path(snakemake.input.evaluation).read_text(encoding="utf-8"))
save(
    confusion_figure(
        np.array(evaluation["confusion_matrix"]), evaluation["classes"], snakemake.params.classes
    ),
    snakemake.output.figure,
    snakemake.output.svg,
)
