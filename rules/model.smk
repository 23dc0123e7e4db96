rule weights:
    """Fetch or read pretrained weights and check that they fit the model."""
    output:
        weights="results/weights/backbone.safetensors",
    log:
        "results/logs/weights.log",
    retries: 3 if config["model"]["weights"] == "imagenet" else 0
    conda:
        "../envs/torch.yaml"
    params:
        code=library("weights.py"),
        weights=config["model"]["weights"],
        stamp=weights_stamp(),
        architecture=config["model"]["architecture"],
        stem=config["model"]["stem"],
    script:
        "../workflow_scripts/weights.py"


rule train:
    """Fine-tune in two stages; keep the best weights and fill the TracIn slots."""
    input:
        manifest="results/dataset/manifest.parquet",
        classes="results/dataset/classes.json",
        pixels="results/dataset/pixels.npy",
        labels=label_set,
        weights=pretrained,
    output:
        best="results/{labels}/seed{seed}/best.safetensors",
        table="results/{labels}/seed{seed}/training.parquet",
        dynamics="results/{labels}/seed{seed}/dynamics.safetensors",
        slots=expand(
            "results/{{labels}}/seed{{seed}}/checkpoints/{slot}.safetensors",
            slot=range(config["influence"]["checkpoints"]),
        ),
    log:
        "results/logs/{labels}/seed{seed}/train.log",
    benchmark:
        "results/timings/{labels}/seed{seed}/train.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 8
    resources:
        gpu=gpu(),
        device=config["compute"]["device"],
        batch_size=config["compute"]["batch_size"],
        workers=config["compute"]["workers"],
    params:
        code=library("train.py"),
        seed=lambda wildcards: int(wildcards.seed),
        # Fewer slots are other epochs, not the first few of the old ones.
        slots=config["influence"]["checkpoints"],
        architecture={
            "name": config["model"]["architecture"],
            "hidden": hidden_layers(),
            "stem": config["model"]["stem"],
        },
        class_weights=config["train"]["class_weights"],
        label_smoothing=config["train"]["label_smoothing"],
        augmentation=lambda wildcards: training(wildcards)["augmentation"],
        recipe=lambda wildcards: {name: training(wildcards)[name] for name in RECIPE},
    script:
        "../workflow_scripts/train.py"


rule predict:
    """Classify every image with the best weights."""
    input:
        best="results/{labels}/seed{seed}/best.safetensors",
        manifest="results/dataset/manifest.parquet",
        pixels="results/dataset/pixels.npy",
        labels="results/labels/{labels}.parquet",
    output:
        table="results/{labels}/seed{seed}/predictions.parquet",
    log:
        "results/logs/{labels}/seed{seed}/predict.log",
    benchmark:
        "results/timings/{labels}/seed{seed}/predict.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 2
    resources:
        gpu=gpu(),
        device=config["compute"]["device"],
        batch_size=config["compute"]["batch_size"],
    params:
        code=library("predict.py"),
    script:
        "../workflow_scripts/predict.py"


rule evaluate:
    """Accuracy, loss, per-class report and confusion matrix of the untouched test split."""
    input:
        predictions="results/{labels}/seed{seed}/predictions.parquet",
        classes="results/dataset/classes.json",
    output:
        evaluation="results/{labels}/seed{seed}/evaluation.json",
    log:
        "results/logs/{labels}/seed{seed}/evaluate.log",
    conda:
        "../envs/tables.yaml"
    params:
        code=library("evaluate.py"),
        planted=planted_noise(),
    script:
        "../workflow_scripts/evaluate.py"
