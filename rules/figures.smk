rule plot_learning_curves:
    """Draw loss, accuracy and learning rates over the epochs."""
    input:
        training="results/{labels}/seed{seed}/training.parquet",
    output:
        figure=report(
            "results/{labels}/seed{seed}/figures/learning_curves.png",
            caption="../report/learning_curves.rst",
            category="Training",
            labels={
                "label set": "{labels}",
                "seed": "{seed}",
                "figure": "learning curves",
            },
        ),
        svg="results/{labels}/seed{seed}/figures/learning_curves.svg",
    log:
        "results/logs/{labels}/seed{seed}/plot_learning_curves.log",
    conda:
        "../envs/tables.yaml"
    params:
        code=library("plot_learning_curves.py"),
    script:
        "../workflow_scripts/plot_learning_curves.py"


rule plot_confusion:
    """Draw which classes the test images are mistaken for."""
    input:
        evaluation="results/{labels}/seed{seed}/evaluation.json",
    output:
        figure=report(
            "results/{labels}/seed{seed}/figures/confusion_matrix.png",
            caption="../report/confusion_matrix.rst",
            category="Mispredictions",
            labels={
                "label set": "{labels}",
                "seed": "{seed}",
                "figure": "confusion matrix",
            },
        ),
        svg="results/{labels}/seed{seed}/figures/confusion_matrix.svg",
    log:
        "results/logs/{labels}/seed{seed}/plot_confusion.log",
    conda:
        "../envs/tables.yaml"
    params:
        code=library("plot_confusion.py"),
        classes=config["figures"]["classes"],
    script:
        "../workflow_scripts/plot_confusion.py"


rule plot_mispredictions:
    """Draw the most confident mistakes on the test split."""
    input:
        mispredictions="results/{labels}/seed{seed}/mispredictions.parquet",
        pixels="results/dataset/pixels.npy",
    output:
        figure=report(
            "results/{labels}/seed{seed}/figures/mispredictions_grid.png",
            caption="../report/mispredictions_grid.rst",
            category="Mispredictions",
            labels={
                "label set": "{labels}",
                "seed": "{seed}",
                "figure": "most confident mistakes",
            },
        ),
    log:
        "results/logs/{labels}/seed{seed}/plot_mispredictions.log",
    conda:
        "../envs/tables.yaml"
    params:
        code=library("plot_mispredictions.py"),
        images=config["figures"]["grid_images"],
    script:
        "../workflow_scripts/plot_mispredictions.py"


rule plot_mistakes:
    """Draw test mistakes beside the training images that influenced them most."""
    input:
        mispredictions="results/{labels}/seed{seed}/mispredictions.parquet",
        topk="results/{labels}/seed{seed}/influence/topk.parquet",
        manifest="results/dataset/manifest.parquet",
        pixels="results/dataset/pixels.npy",
    output:
        figure=report(
            "results/{labels}/seed{seed}/figures/mistakes_explained.png",
            caption="../report/mistakes_explained.rst",
            category="Influence",
            labels={
                "label set": "{labels}",
                "seed": "{seed}",
                "figure": "mistakes explained",
            },
        ),
    log:
        "results/logs/{labels}/seed{seed}/plot_mistakes.log",
    conda:
        "../envs/tables.yaml"
    params:
        code=library("plot_mistakes.py"),
        # In one, as Snakemake compares values without their names.
        counts={
            "mistakes": config["figures"]["mistakes"],
            "per_mistake": config["figures"]["per_mistake"],
        },
    script:
        "../workflow_scripts/plot_mistakes.py"


rule plot_recall:
    """Draw how fast wrong training labels are found."""
    input:
        suspects="results/{labels}/label_errors/suspects.parquet",
        manifest="results/dataset/manifest.parquet",
    output:
        figure=report(
            "results/{labels}/figures/label_error_recall.png",
            caption="../report/label_error_recall.rst",
            category="Label errors",
            labels={
                "label set": "{labels}",
                "figure": "wrong labels found",
            },
        ),
        svg="results/{labels}/figures/label_error_recall.svg",
    log:
        "results/logs/{labels}/plot_recall.log",
    conda:
        "../envs/tables.yaml"
    params:
        code=library("plot_recall.py"),
        planted=planted_noise(),
    script:
        "../workflow_scripts/plot_recall.py"
