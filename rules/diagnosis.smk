rule mispredictions:
    """List what the model gets wrong, most confident first."""
    input:
        predictions="results/{labels}/seed{seed}/predictions.parquet",
        labels=label_set,
        manifest="results/dataset/manifest.parquet",
        classes="results/dataset/classes.json",
    output:
        table="results/{labels}/seed{seed}/mispredictions.parquet",
        csv=report(
            "results/{labels}/seed{seed}/false_predictions.csv",
            caption="../report/false_predictions.rst",
            category="Mispredictions",
            labels={"label set": "{labels}", "seed": "{seed}", "figure": "all (table)"},
        ),
    log:
        "results/logs/{labels}/seed{seed}/mispredictions.log",
    conda:
        "../envs/tables.yaml"
    params:
        code=library("mispredictions.py"),
    script:
        "../workflow_scripts/mispredictions.py"


rule cross_reference:
    """Cross the mispredictions with the training images behind them."""
    input:
        predictions="results/{labels}/seed{seed}/predictions.parquet",
        topk="results/{labels}/seed{seed}/influence/topk.parquet",
        manifest="results/dataset/manifest.parquet",
        classes="results/dataset/classes.json",
    output:
        analysis="results/{labels}/seed{seed}/diagnosis/misprediction_influence_analysis.parquet",
        analysis_csv=report(
            "results/{labels}/seed{seed}/diagnosis/misprediction_influence_analysis.csv",
            caption="../report/influence_analysis.rst",
            category="Influence",
            labels={
                "label set": "{labels}",
                "seed": "{seed}",
                "figure": "mistakes x training images (table)",
            },
        ),
        cross="results/{labels}/seed{seed}/diagnosis/misprediction_cross_analysis.parquet",
        cross_csv=report(
            "results/{labels}/seed{seed}/diagnosis/misprediction_cross_analysis.csv",
            caption="../report/cross_analysis.rst",
            category="Influence",
            labels={
                "label set": "{labels}",
                "seed": "{seed}",
                "figure": "mistakes x mispredicted training images (table)",
            },
        ),
        appearances="results/{labels}/seed{seed}/diagnosis/appearances.parquet",
        appearances_csv=report(
            "results/{labels}/seed{seed}/diagnosis/appearances.csv",
            caption="../report/appearances.rst",
            category="Influence",
            labels={
                "label set": "{labels}",
                "seed": "{seed}",
                "figure": "appearances in lists (table)",
            },
        ),
        by_class="results/{labels}/seed{seed}/diagnosis/appearances_by_class.parquet",
        by_class_csv=report(
            "results/{labels}/seed{seed}/diagnosis/appearances_by_class.csv",
            caption="../report/appearances.rst",
            category="Influence",
            labels={
                "label set": "{labels}",
                "seed": "{seed}",
                "figure": "appearances in lists by class (table)",
            },
        ),
    log:
        "results/logs/{labels}/seed{seed}/cross_reference.log",
    benchmark:
        "results/timings/{labels}/seed{seed}/cross_reference.tsv"
    conda:
        "../envs/tables.yaml"
    params:
        code=library("cross_reference.py"),
    script:
        "../workflow_scripts/cross_reference.py"


rule cross_runs:
    """Draw and tabulate what the runs of all seeds agree on."""
    input:
        predictions=all_seeds("predictions.parquet"),
        topk=all_seeds("influence/topk.parquet"),
        labels="results/labels/{labels}.parquet",
        manifest="results/dataset/manifest.parquet",
        classes="results/dataset/classes.json",
    output:
        persistent_mispredictions="results/{labels}/runs/persistent_mispredictions.parquet",
        persistent_mispredictions_csv=report(
            "results/{labels}/runs/persistent_mispredictions.csv",
            caption="../report/cross_runs_tables.rst",
            category="Cross-run analysis",
            labels={
                "label set": "{labels}",
                "figure": "persistent mispredictions (table)",
            },
        ),
        consistent_influences="results/{labels}/runs/consistent_influences.parquet",
        consistent_influences_csv=report(
            "results/{labels}/runs/consistent_influences.csv",
            caption="../report/cross_runs_tables.rst",
            category="Cross-run analysis",
            labels={
                "label set": "{labels}",
                "figure": "training images influential in several runs (table)",
            },
        ),
        influence_statistics="results/{labels}/runs/influence_statistics.parquet",
        influence_statistics_csv=report(
            "results/{labels}/runs/influence_statistics.csv",
            caption="../report/cross_runs_tables.rst",
            category="Cross-run analysis",
            labels={
                "label set": "{labels}",
                "figure": "influence of each run (table)",
            },
        ),
        confusion_pairs="results/{labels}/runs/confusion_pairs.parquet",
        confusion_pairs_csv=report(
            "results/{labels}/runs/confusion_pairs.csv",
            caption="../report/cross_runs_tables.rst",
            category="Cross-run analysis",
            labels={"label set": "{labels}", "figure": "confusions (table)"},
        ),
        class_error_rates="results/{labels}/runs/class_error_rates.parquet",
        class_error_rates_csv=report(
            "results/{labels}/runs/class_error_rates.csv",
            caption="../report/cross_runs_tables.rst",
            category="Cross-run analysis",
            labels={
                "label set": "{labels}",
                "figure": "error rates of classes (table)",
            },
        ),
        text=report(
            "results/{labels}/runs/summary.txt",
            caption="../report/cross_runs_tables.rst",
            category="Cross-run analysis",
            labels={"label set": "{labels}", "figure": "summary (text)"},
        ),
        figure=report(
            "results/{labels}/runs/runs_dashboard.png",
            caption="../report/cross_runs.rst",
            category="Cross-run analysis",
            labels={"label set": "{labels}", "figure": "dashboard"},
        ),
        svg="results/{labels}/runs/runs_dashboard.svg",
    log:
        "results/logs/{labels}/cross_runs.log",
    conda:
        "../envs/tables.yaml"
    params:
        code=library("cross_runs.py"),
        settings={
            "seeds": config["train"]["seeds"],
            "classes": config["figures"]["classes"],
            **config["cross_runs"],
        },
    script:
        "../workflow_scripts/cross_runs.py"


rule summarise:
    """Write the one page that says what was found and what to do next."""
    input:
        evaluations=all_seeds("evaluation.json"),
        mispredictions=all_seeds("mispredictions.parquet"),
        appearances=all_seeds("diagnosis/appearances.parquet"),
        label_errors="results/{labels}/label_errors/estimate.json",
        manifest="results/dataset/manifest.parquet",
        labels=label_set,
        pixels="results/dataset/pixels.npy",
    output:
        json="results/{labels}/summary.json",
        markdown="results/{labels}/summary.md",
        html=report(
            "results/{labels}/summary.html",
            caption="../report/summary.rst",
            category="At a glance",
            labels={"label set": "{labels}", "figure": "summary"},
        ),
    log:
        "results/logs/{labels}/summarise.log",
    conda:
        "../envs/tables.yaml"
    params:
        code=library("summarise.py", "report/summary.html.jinja", "report/summary.md.jinja"),
        seeds=config["train"]["seeds"],
        reviewed={"top_n": config["review"]["top_n"]},
    script:
        "../workflow_scripts/summarise.py"


rule timings:
    """Tabulate where the time and the memory went."""
    input:
        unpack(timings),
    output:
        table="results/{labels}/timings.parquet",
        csv="results/{labels}/timings.csv",
        html=report(
            "results/{labels}/timings.html",
            caption="../report/timings.rst",
            category="At a glance",
            labels={"label set": "{labels}", "figure": "time and memory"},
        ),
    log:
        "results/logs/{labels}/timings.log",
    conda:
        "../envs/tables.yaml"
    params:
        code=library("timings.py", "report/timings.html.jinja"),
        rules=lambda wildcards: list(timings(wildcards)),
    script:
        "../workflow_scripts/timings.py"
