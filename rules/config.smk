# Of scikit-learn, which takes a second to import.
DIGITS = 1797

# Settings that name files which were read long before: a report can be made without them, and a
# cluster's job was checked when the run started, where they are. In a run, data that is not where the
# settings say would be taken for other data, and everything made anew.
READ = ("dataset.path", "model.weights")


def check_config():
    """Stop before any job with one line for each setting that is wrong."""
    from tracin.repeats import misread_settings
    from tracin.settings import contradictions, setting_faults

    schema = yaml_file(BASE / "rules" / "schemas" / "config.schema.yaml")
    faults = [*misread_settings(workflow.configfiles), *setting_faults(config, schema)]
    check_results()
    dataset = any(str(fault.where).startswith("dataset") for fault in faults)
    reporting = any(word.partition("=")[0] == "--report" for word in sys.argv)
    later = reporting or not workflow.is_main_process
    found = contradictions(config, {} if dataset or later else image_counts(), faults)
    read = READ if later else ()
    faults += [fault for fault in found if fault.where not in read]
    if faults:
        lines = "\n  ".join(map(str, faults))
        # A SystemExit ends Snakemake with this text alone; any other exception adds a traceback.
        raise SystemExit(f"Error: the configuration is wrong; nothing was started.\n  {lines}")


def check_results():
    """Refuse to plan the demo over the results of other data: a command has lost its --configfile."""
    from pyarrow.parquet import read_metadata

    decoded = Path("results/dataset/images.parquet")
    if config["dataset"]["source"] != "digits" or not (
        workflow.is_main_process and decoded.exists()
    ):
        return
    if read_metadata(decoded).num_rows != DIGITS:
        raise SystemExit(
            "Error: results/ holds another data set than the demo's digits; nothing was started. Add "
            "the --configfile of its run, or give the demo a --directory of its own."
        )


def image_counts():
    """About how many images each split will have, as far as that is known before any job."""
    from tracin.errors import UserError
    from tracin.listing import count_files, expected_images

    dataset = config["dataset"]
    path = Path(dataset["path"])
    if dataset["source"] == "digits":
        return expected_images(DIGITS, dataset["test"], dataset["val"])
    try:
        if dataset["source"] == "folder":
            return expected_images(count_files(path), dataset["test"], dataset["val"])
        if not path.is_file():
            return {}
        splits = manifest_listing()["split"]
    except UserError as error:
        raise SystemExit(f"Error: {error}")
    return expected_images(
        len(splits), dataset["test"], dataset["val"], dict(splits.value_counts())
    )


@cache
def manifest_listing():
    """The user's manifest, checked."""
    from tracin.manifests import list_manifest

    return list_manifest(config["dataset"]["path"], config["dataset"]["label_column"])


def listing_fingerprint(wildcards):
    """Changes when the user's images come, go, are renamed or written to."""
    from tracin.listing import files_fingerprint, folder_fingerprint

    source = config["dataset"]["source"]
    if source == "folder":
        return folder_fingerprint(config["dataset"]["path"])
    if source == "manifest" and Path(config["dataset"]["path"]).is_file():
        return files_fingerprint(dataset_root(), manifest_listing()["path"])
    return ""


check_config()
