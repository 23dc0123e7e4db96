"""Write the built-in digits as image files."""

from tracin.digits import write_digits
from tracin.runtime import start_log

start_log(snakemake.log[0])
write_digits(snakemake.output.folder)
