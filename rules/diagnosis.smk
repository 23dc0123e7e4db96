rule mispredictions:
    """List what the model gets wrong, most confident first."""
    input:
        predictions="results/{labels}/seed{seed}/predictions.parquet",
        manifest="results/dataset/manifest.parquet",
        classes="results/dataset/classes.json",
        code=library("mispredictions.py"),
    output:
        table="results/{labels}/seed{seed}/mispredictions.parquet",
        csv=report(
            "results/{labels}/seed{seed}/false_predictions.csv",
            caption="../report/mispredictions_grid.rst",
            category="Mispredictions",
            labels={"label set": "{labels}", "seed": "{seed}", "figure": "table"},
        ),
    log:
        "results/logs/{labels}/seed{seed}/mispredictions.log",
    conda:
        "../envs/tables.yaml"
    script:
        "../workflow_scripts/mispredictions.py"
