"""List and decode the images of the data set."""

from tracin.decoding import check_rejected, decode_folder
from tracin.files import write_csv, write_parquet
from tracin.listing import list_folder, list_manifest
from tracin.runtime import start_log


def main() -> None:
    """Write the decoded images, their table and the rejected files."""
    job = snakemake
    start_log(job.log[0])
    params, output = job.params, job.output
    if params.source == "manifest":
        listing = list_manifest(params.path, params.label_column)
    else:
        listing = list_folder(params.root)
    images, rejected = decode_folder(
        listing, params.root, params.stored_size, output.pixels, job.threads
    )
    check_rejected(rejected, len(listing), params.max_rejected)
    write_parquet(images, output.images)
    write_csv(rejected, output.rejected)


# Worker processes may import this file again; only the first run may do the work.
if __name__ == "__main__":
    main()
