"""Where the time and the memory of a label set's runs went."""

from pathlib import Path

from tracin.files import write_tables, write_text
from tracin.runtime import start_log
from tracin.timings import render_timings, timing_table

start_log(snakemake.log[0])
rules, output = snakemake.params.rules, snakemake.output
table = timing_table({rule: list(snakemake.input.get(rule, [])) for rule in rules})
write_tables(table, output.table, output.csv)
page = Path(__file__).parents[1] / "report" / "timings.html.jinja"
template = page.read_text(encoding="utf-8")
write_text(render_timings(template, snakemake.wildcards.labels, table), output.html)
