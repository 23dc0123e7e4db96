rule write_digits:
    """Write the built-in digits as image files."""
    output:
        folder=directory("results/digits"),
    log:
        "results/logs/dataset/write_digits.log",
    conda:
        "../envs/tables.yaml"
    params:
        code=library("write_digits.py"),
    script:
        "../workflow_scripts/write_digits.py"


rule ingest:
    """List and decode the images of the data set."""
    input:
        source=dataset_source,
    output:
        images="results/dataset/images.parquet",
        pixels="results/dataset/pixels.npy",
        rejected="results/dataset/rejected.csv",
    log:
        "results/logs/dataset/ingest.log",
    benchmark:
        "results/timings/dataset/ingest.tsv"
    conda:
        "../envs/tables.yaml"
    threads: 4
    params:
        code=library("ingest.py"),
        source=config["dataset"]["source"],
        path=config["dataset"]["path"],
        root=dataset_root(),
        label_column=config["dataset"]["label_column"],
        stored_size=config["dataset"]["stored_size"],
        max_rejected=config["dataset"]["max_rejected"],
        listing=listing_fingerprint,
    script:
        "../workflow_scripts/ingest.py"


rule manifest:
    """Split the data set and plant label noise."""
    input:
        images="results/dataset/images.parquet",
    output:
        manifest="results/dataset/manifest.parquet",
        classes="results/dataset/classes.json",
        conflicts="results/dataset/conflicts.csv",
    log:
        "results/logs/dataset/manifest.log",
    conda:
        "../envs/tables.yaml"
    params:
        code=library("manifest.py"),
        # One value: Snakemake compares params without their names, so two equal numbers hide a change.
        settings={
            "class_names": config["dataset"]["class_names"],
            "test": config["dataset"]["test"],
            "val": config["dataset"]["val"],
            "seed": config["dataset"]["split_seed"],
            "planted_noise": planted_noise(),
            "truth_known": config["dataset"]["source"] == "digits",
        },
    script:
        "../workflow_scripts/manifest.py"


rule label_set:
    """Write the data set's own labels as the label set 'original'."""
    input:
        manifest="results/dataset/manifest.parquet",
        classes="results/dataset/classes.json",
    output:
        labels="results/labels/original.parquet",
    log:
        "results/logs/dataset/label_set.log",
    conda:
        "../envs/tables.yaml"
    params:
        code=library("label_set.py"),
    script:
        "../workflow_scripts/label_set.py"


rule near_duplicates:
    """List images that show nearly the same picture, within and across splits."""
    input:
        pixels="results/dataset/pixels.npy",
        manifest="results/dataset/manifest.parquet",
    output:
        table="results/dataset/near_duplicates.parquet",
        csv=report(
            "results/dataset/near_duplicates.csv",
            caption="../report/near_duplicates.rst",
            category="Data set",
            labels={"figure": "near-duplicates (table)"},
        ),
    log:
        "results/logs/dataset/near_duplicates.log",
    benchmark:
        "results/timings/dataset/near_duplicates.tsv"
    conda:
        "../envs/torch.yaml"
    params:
        code=library("near_duplicates.py"),
        bits=config["dataset"]["near_duplicate_bits"],
    script:
        "../workflow_scripts/near_duplicates.py"
