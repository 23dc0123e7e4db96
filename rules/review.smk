rule review_page:
    """Show the most suspicious labels on a page where a person corrects them."""
    input:
        suspects="results/{labels}/label_errors/suspects.parquet",
        estimate="results/{labels}/label_errors/estimate.json",
        manifest="results/dataset/manifest.parquet",
        classes="results/dataset/classes.json",
        pixels="results/dataset/pixels.npy",
        labels="results/labels/{labels}.parquet",
        mispredictions=all_seeds("mispredictions.parquet"),
        topk=all_seeds("influence/topk.parquet"),
        corrections=decisions_so_far,
    output:
        page="results/{labels}/review/index.html",
    log:
        "results/logs/{labels}/review_page.log",
    conda:
        "../envs/tables.yaml"
    threads: 4
    params:
        code=library("review_page.py", *review_template()),
        top_n=config["review"]["top_n"],
    script:
        "../workflow_scripts/review_page.py"


rule label_set_corrected:
    """Check data/corrections.csv and write the label set 'corrected'."""
    input:
        corrections=corrections_file,
        manifest="results/dataset/manifest.parquet",
        classes="results/dataset/classes.json",
        labels="results/labels/original.parquet",
    output:
        labels="results/labels/corrected.parquet",
        corrections="results/labels/corrections.parquet",
    log:
        "results/logs/dataset/label_set_corrected.log",
    conda:
        "../envs/tables.yaml"
    params:
        code=library("corrected_labels.py", "rules/schemas/corrections.schema.yaml"),
    script:
        "../workflow_scripts/corrected_labels.py"


rule compare:
    """Compare the test split before and after the corrections."""
    input:
        before=all_seeds("predictions.parquet", "original"),
        after=all_seeds("predictions.parquet", "corrected"),
        topk=all_seeds("influence/topk.parquet", "original"),
        corrections="results/labels/corrections.parquet",
        manifest="results/dataset/manifest.parquet",
        classes="results/dataset/classes.json",
    output:
        table="results/comparison/comparison.parquet",
        csv=report(
            "results/comparison/comparison.csv",
            caption="../report/comparison.rst",
            category="Before and after",
            labels={"figure": "table"},
        ),
        changes="results/comparison/changed_test_images.csv",
        moved="results/comparison/corrections_and_changes.csv",
        summary="results/comparison/summary.txt",
        figure=report(
            "results/comparison/comparison.png",
            caption="../report/comparison.rst",
            category="Before and after",
            labels={"figure": "before and after"},
        ),
    log:
        "results/logs/compare.log",
    conda:
        "../envs/tables.yaml"
    params:
        code=library("compare.py"),
        seeds=config["train"]["seeds"],
    script:
        "../workflow_scripts/compare.py"


rule export_tables:
    """Write a manifest for training elsewhere and the issues as cleanlab names them."""
    input:
        suspects="results/{labels}/label_errors/suspects.parquet",
        manifest="results/dataset/manifest.parquet",
        classes="results/dataset/classes.json",
        labels="results/labels/{labels}.parquet",
    output:
        manifest="results/{labels}/export/manifest.parquet",
        csv="results/{labels}/export/manifest.csv",
        issues="results/{labels}/export/label_issues.csv",
    log:
        "results/logs/{labels}/export_tables.log",
    conda:
        "../envs/tables.yaml"
    params:
        code=library("export_tables.py"),
    script:
        "../workflow_scripts/export_tables.py"


rule export_images:
    """Lay the kept images out as a folder tree, split by split and class by class."""
    input:
        manifest="results/dataset/manifest.parquet",
        classes="results/dataset/classes.json",
        labels="results/labels/{labels}.parquet",
    output:
        folder=directory("results/{labels}/export/images"),
    log:
        "results/logs/{labels}/export_images.log",
    conda:
        "../envs/tables.yaml"
    params:
        code=library("export_images.py"),
        root=dataset_root(),
        kind=config["review"]["export"],
    script:
        "../workflow_scripts/export_images.py"
