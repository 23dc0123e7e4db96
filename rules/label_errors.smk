rule views:
    """Pass views of training and validation images through the best weights and a checkpoint before."""
    input:
        best="results/{labels}/seed{seed}/best.safetensors",
        slots=expand(
            "results/{{labels}}/seed{{seed}}/checkpoints/{slot}.safetensors",
            slot=range(config["influence"]["checkpoints"]),
        ),
        manifest="results/dataset/manifest.parquet",
        pixels="results/dataset/pixels.npy",
        labels=label_set,
    output:
        views="results/{labels}/seed{seed}/label_errors/views.safetensors",
    log:
        "results/logs/{labels}/seed{seed}/views.log",
    benchmark:
        "results/timings/{labels}/seed{seed}/views.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 2
    resources:
        gpu=gpu(),
        device=config["compute"]["device"],
        batch_size=config["compute"]["batch_size"],
        workers=config["compute"]["workers"],
    params:
        code=library("views.py"),
        # Training's augmentation says which views show the same thing.
        augmentation=config["train"]["augmentation"],
        random=config["label_errors"]["random_views"],
        # A network that learned in bfloat16 is as good in it, and faster.
        precision=config["train"]["precision"],
    script:
        "../workflow_scripts/views.py"


rule fold_labels:
    """Leave the images of one fold out of a label set, which every rule then takes as any other."""
    input:
        labels="results/labels/{base}.parquet",
        manifest="results/dataset/manifest.parquet",
    output:
        labels="results/labels/{base}-fold{fold}.parquet",
    log:
        "results/logs/{base}/fold_labels/{fold}.log",
    # Folds that can't be cut are to be said before the first training, not after.
    priority: 1
    conda:
        "../envs/torch.yaml"
    params:
        code=library("fold_labels.py"),
        folds=config["label_errors"]["folds"],
    script:
        "../workflow_scripts/fold_labels.py"


rule votes:
    """What one network says of all training images, those of a fold that it never saw included."""
    input:
        views="results/{labels}/seed{seed}/label_errors/views.safetensors",
        dynamics="results/{labels}/seed{seed}/dynamics.safetensors",
        labels=lambda wildcards: f"results/labels/{wildcards.labels.split('-')[0]}.parquet",
        manifest="results/dataset/manifest.parquet",
    output:
        votes="results/{labels}/seed{seed}/label_errors/votes.safetensors",
    log:
        "results/logs/{labels}/seed{seed}/votes.log",
    benchmark:
        "results/timings/{labels}/seed{seed}/votes.tsv"
    conda:
        "../envs/torch.yaml"
    params:
        code=library("votes.py"),
    script:
        "../workflow_scripts/votes.py"


rule neighbours:
    """Find the training images that are nearest to each in feature space."""
    input:
        views="results/{labels}/seed{seed}/label_errors/views.safetensors",
        manifest="results/dataset/manifest.parquet",
        labels="results/labels/{labels}.parquet",
    output:
        neighbours="results/{labels}/seed{seed}/label_errors/neighbours.safetensors",
    log:
        "results/logs/{labels}/seed{seed}/neighbours.log",
    benchmark:
        "results/timings/{labels}/seed{seed}/neighbours.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 2
    params:
        code=library("neighbours.py"),
        neighbours={"k": config["label_errors"]["neighbours"]},
    script:
        "../workflow_scripts/neighbours.py"


rule signals:
    """Every signal of a wrong label that one run gives, image by image."""
    input:
        dynamics="results/{labels}/seed{seed}/dynamics.safetensors",
        views="results/{labels}/seed{seed}/label_errors/views.safetensors",
        neighbours="results/{labels}/seed{seed}/label_errors/neighbours.safetensors",
        self_influence="results/{labels}/seed{seed}/influence/self.parquet",
        train=shards("train"),
        val=shards("val"),
        lists=expand(
            "results/{{labels}}/seed{{seed}}/influence/merged/train{i}.parquet",
            i=range(config["influence"]["tiles"]["train"]),
        ),
        manifest="results/dataset/manifest.parquet",
        labels="results/labels/{labels}.parquet",
        others=lambda wildcards: others(
            "label_errors/votes.safetensors", wildcards.labels, [int(wildcards.seed)]
        ),
    output:
        signals="results/{labels}/seed{seed}/label_errors/signals.parquet",
    log:
        "results/logs/{labels}/seed{seed}/signals.log",
    benchmark:
        "results/timings/{labels}/seed{seed}/signals.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 5  # a probe is fitted to each four fifths
    params:
        code=library("signals.py"),
        slots=config["influence"]["checkpoints"],
        neighbours={"k": config["label_errors"]["neighbours"]},
    script:
        "../workflow_scripts/signals.py"


rule suspects:
    """Rank the training images by how likely their label is wrong, all runs together."""
    input:
        signals=all_seeds("label_errors/signals.parquet"),
        views=all_seeds("label_errors/views.safetensors"),
        others=lambda wildcards: others(
            "label_errors/views.safetensors", wildcards.labels, config["train"]["seeds"]
        ),
        labels="results/labels/{labels}.parquet",
        before="results/labels/original.parquet",
        corrections=decisions_so_far,
        manifest="results/dataset/manifest.parquet",
        classes="results/dataset/classes.json",
    output:
        table="results/{labels}/label_errors/suspects.parquet",
        csv=report(
            "results/{labels}/label_errors/suspects.csv",
            caption="../report/suspects.rst",
            category="Label errors",
            labels={"label set": "{labels}", "figure": "suspects (table)"},
        ),
        estimate="results/{labels}/label_errors/estimate.json",
    log:
        "results/logs/{labels}/suspects.log",
    benchmark:
        "results/timings/{labels}/suspects.tsv"
    conda:
        "../envs/torch.yaml"
    params:
        code=library("suspects.py"),
    script:
        "../workflow_scripts/suspects.py"


rule outliers:
    """List training images that look like no class."""
    input:
        neighbours="results/{labels}/seed{seed}/label_errors/neighbours.safetensors",
        manifest="results/dataset/manifest.parquet",
        labels="results/labels/{labels}.parquet",
        classes="results/dataset/classes.json",
    output:
        table="results/{labels}/seed{seed}/label_errors/outliers.parquet",
        csv=report(
            "results/{labels}/seed{seed}/label_errors/outliers.csv",
            caption="../report/outliers.rst",
            category="Label errors",
            labels={"label set": "{labels}", "figure": "outliers, seed {seed} (table)"},
        ),
    log:
        "results/logs/{labels}/seed{seed}/outliers.log",
    conda:
        "../envs/torch.yaml"
    params:
        code=library("outliers.py"),
    script:
        "../workflow_scripts/outliers.py"
