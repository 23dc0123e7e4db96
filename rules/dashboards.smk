rule plot_overall:
    """Draw how influence is spread over ranks, classes and training images."""
    input:
        predictions="results/{labels}/seed{seed}/predictions.parquet",
        topk="results/{labels}/seed{seed}/influence/topk.parquet",
        manifest="results/dataset/manifest.parquet",
        classes="results/dataset/classes.json",
    output:
        figure=report(
            "results/{labels}/seed{seed}/figures/overall_dashboard.png",
            caption="../report/overall_dashboard.rst",
            category="Influence",
            labels={"label set": "{labels}", "seed": "{seed}", "figure": "overall dashboard"},
        ),
        svg="results/{labels}/seed{seed}/figures/overall_dashboard.svg",
    log:
        "results/logs/{labels}/seed{seed}/plot_overall.log",
    benchmark:
        "results/timings/{labels}/seed{seed}/plot_overall.tsv"
    conda:
        "../envs/tables.yaml"
    params:
        code=library("plot_overall.py"),
        classes=config["figures"]["classes"],
    script:
        "../workflow_scripts/plot_overall.py"


rule plot_classes:
    """Draw a dashboard for each class of test images."""
    input:
        predictions="results/{labels}/seed{seed}/predictions.parquet",
        topk="results/{labels}/seed{seed}/influence/topk.parquet",
        manifest="results/dataset/manifest.parquet",
        classes="results/dataset/classes.json",
        pixels="results/dataset/pixels.npy",
    output:
        folder=report(
            directory("results/{labels}/seed{seed}/figures/per_class"),
            patterns=["{page}_dashboard.png"],
            caption="../report/class_dashboard.rst",
            category="Influence by class",
            labels=class_page_labels,
        ),
    log:
        "results/logs/{labels}/seed{seed}/plot_classes.log",
    benchmark:
        "results/timings/{labels}/seed{seed}/plot_classes.tsv"
    conda:
        "../envs/tables.yaml"
    params:
        code=library("plot_classes.py"),
        classes=config["figures"]["classes"],
    script:
        "../workflow_scripts/plot_classes.py"


rule plot_top_images:
    """Draw the most helpful and the most harmful training images."""
    input:
        predictions="results/{labels}/seed{seed}/predictions.parquet",
        topk="results/{labels}/seed{seed}/influence/topk.parquet",
        manifest="results/dataset/manifest.parquet",
        classes="results/dataset/classes.json",
        appearances="results/{labels}/seed{seed}/diagnosis/appearances.parquet",
        pixels="results/dataset/pixels.npy",
    output:
        helpful=report(
            "results/{labels}/seed{seed}/figures/top_helpful_images.png",
            caption="../report/top_images.rst",
            category="Influence",
            labels={
                "label set": "{labels}",
                "seed": "{seed}",
                "figure": "most helpful training images",
            },
        ),
        harmful=report(
            "results/{labels}/seed{seed}/figures/top_harmful_images.png",
            caption="../report/top_images.rst",
            category="Influence",
            labels={
                "label set": "{labels}",
                "seed": "{seed}",
                "figure": "most harmful training images",
            },
        ),
        detailed=report(
            directory("results/{labels}/seed{seed}/figures/detailed"),
            patterns=["{effect}/{page}.png"],
            caption="../report/detailed_image.rst",
            category="Influence by image",
            labels=image_page_labels,
        ),
    log:
        "results/logs/{labels}/seed{seed}/plot_top_images.log",
    conda:
        "../envs/tables.yaml"
    params:
        code=library("plot_top_images.py"),
        counts={
            "grid": config["figures"]["grid_images"],
            "detailed": config["figures"]["detailed"],
        },
    script:
        "../workflow_scripts/plot_top_images.py"


rule plot_candidates:
    """Draw the training labels most likely wrong."""
    input:
        suspects="results/{labels}/label_errors/suspects.parquet",
        manifest="results/dataset/manifest.parquet",
        pixels="results/dataset/pixels.npy",
    output:
        figure=report(
            "results/{labels}/figures/mislabeled_candidates.png",
            caption="../report/mislabeled_candidates.rst",
            category="Label errors",
            labels={"label set": "{labels}", "figure": "candidates"},
        ),
    log:
        "results/logs/{labels}/plot_candidates.log",
    conda:
        "../envs/tables.yaml"
    params:
        code=library("plot_candidates.py"),
        images=config["figures"]["grid_images"],
    script:
        "../workflow_scripts/plot_candidates.py"
