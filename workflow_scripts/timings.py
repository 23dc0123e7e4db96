"""Where the time and the memory of a label set's runs went."""

from tracin.files import write_tables
from tracin.runtime import start_log
from tracin.timings import timing_table

start_log(snakemake.log[0])
rules = snakemake.params.rules
table = timing_table({rule: list(snakemake.input.get(rule, [])) for rule in rules})
write_tables(table, snakemake.output.table, snakemake.output.csv)
