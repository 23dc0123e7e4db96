"""What several runs agree on: tables, text and dashboard."""

from tracin.crossruns import accuracies, cross_run_tables, run_summary
from tracin.figures.runs import runs_dashboard
from tracin.figures.style import save
from tracin.files import write_tables, write_text
from tracin.results import read_runs
from tracin.runtime import start_log

start_log(snakemake.log[0])
inputs, output, settings = snakemake.input, snakemake.output, snakemake.params.settings
min_runs = settings["min_runs"]
images, topk = read_runs(
    settings["seeds"],
    inputs.predictions,
    inputs.topk,
    inputs.labels,
    inputs.manifest,
    inputs.classes,
)
tables = cross_run_tables(images, topk, settings["influential"], min_runs)
for name, table in tables.items():
    write_tables(table, output[name], output[f"{name}_csv"])
write_text(run_summary(tables, images, min_runs), output.text)
figure = runs_dashboard(tables, accuracies(images), min_runs, settings["classes"])
save(figure, output.figure, output.svg)
