"""List and decode the images of the data set."""

from pathlib import Path

import pandas as pd

from tracin.decoding import check_classes, check_rejected, decode_folder
from tracin.files import write_csv, write_parquet
from tracin.listing import list_folder
from tracin.manifests import list_manifest
from tracin.runtime import start_log


def main() -> None:
    """Write the decoded images, their table and the rejected files."""
    job = snakemake
    start_log(job.log[0])
    params, output = job.params, job.output
    if params.source == "manifest":
        listing, left_out = list_manifest(params.path, params.label_column), []
    else:
        listing, left_out = list_folder(params.root)
    images, damaged = decode_folder(
        listing, params.root, params.stored_size, output.pixels, job.threads
    )
    rejected = pd.DataFrame([*left_out, *damaged], columns=["path", "reason"])
    # Snakemake deletes the outputs of a job that fails; what lies beside its log stays.
    write_csv(rejected, Path(job.log[0]).with_name("rejected.csv"))
    check_rejected([*left_out, *damaged], len(listing) + len(left_out), params.max_rejected)
    check_classes(listing, images)
    write_parquet(images, output.images)
    write_csv(rejected, output.rejected)


# Worker processes may import this file again; only the first run may do the work.
if __name__ == "__main__":
    main()
