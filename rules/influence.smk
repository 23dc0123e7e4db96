rule gradients:
    """Gradients of one block of samples at one checkpoint."""
    input:
        checkpoint="results/{labels}/seed{seed}/checkpoints/{slot}.safetensors",
        manifest="results/dataset/manifest.parquet",
        pixels="results/dataset/pixels.npy",
        labels="results/labels/{labels}.parquet",
    output:
        shard="results/{labels}/seed{seed}/gradients/{slot}/{split}-{block}.safetensors",
    log:
        "results/logs/{labels}/seed{seed}/gradients/{slot}/{split}-{block}.log",
    benchmark:
        "results/timings/{labels}/seed{seed}/gradients/{slot}/{split}-{block}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 4
    resources:
        gpu=gpu(),
        device=config["compute"]["device"],
        batch_size=config["compute"]["batch_size"],
    params:
        code=library("gradients.py"),
        blocks=lambda wildcards: config["influence"]["shards"][wildcards.split],
        beyond=beyond_the_head(),
        formats={
            "precision": config["influence"]["precision"],
            "shards": config["influence"]["shard_dtype"],
        },
    script:
        "../workflow_scripts/gradients.py"


rule self_influence:
    """Influence of each training image on itself."""
    input:
        shards=shards("train"),
    output:
        table="results/{labels}/seed{seed}/influence/self.parquet",
    log:
        "results/logs/{labels}/seed{seed}/self_influence.log",
    benchmark:
        "results/timings/{labels}/seed{seed}/self_influence.tsv"
    conda:
        "../envs/torch.yaml"
    params:
        code=library("self_influence.py"),
        shards=config["influence"]["shards"]["train"],
    script:
        "../workflow_scripts/self_influence.py"


rule tile:
    """Top-k of a block of test (or training) images against a block of training images."""
    input:
        read=overlapping_shards("i"),
        train=overlapping_shards("j", "train"),
    output:
        tile="results/{labels}/seed{seed}/influence/tiles/{reader}{i}-train{j}.parquet",
    log:
        "results/logs/{labels}/seed{seed}/tiles/{reader}{i}-train{j}.log",
    benchmark:
        "results/timings/{labels}/seed{seed}/tiles/{reader}{i}-train{j}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 4
    resources:
        gpu=gpu(),
        device=config["compute"]["device"],
    params:
        code=library("tile.py"),
        normalise=lambda wildcards: normalisation(wildcards.reader),
        precision=config["influence"]["precision"],
        slots=config["influence"]["checkpoints"],
        tiles=lambda wildcards: {
            split: config["influence"]["tiles"][split]
            for split in sorted({wildcards.reader, "train"})
        },
        top_k=lambda wildcards: {"k": list_length(wildcards.reader)},
    script:
        "../workflow_scripts/tile.py"


rule merge:
    """Merge the tiles of one block of images."""
    input:
        tiles=expand(
            "results/{{labels}}/seed{{seed}}/influence/tiles/{{reader}}{{i}}-train{j}.parquet",
            j=range(config["influence"]["tiles"]["train"]),
        ),
    output:
        merged=temp("results/{labels}/seed{seed}/influence/merged/{reader}{i}.parquet"),
    log:
        "results/logs/{labels}/seed{seed}/merge/{reader}{i}.log",
    benchmark:
        "results/timings/{labels}/seed{seed}/merge/{reader}{i}.tsv"
    conda:
        "../envs/tables.yaml"
    params:
        code=library("merge.py"),
        top_k=lambda wildcards: list_length(wildcards.reader),
    script:
        "../workflow_scripts/merge.py"


rule topk:
    """Join the blocks into one table, two arrays and a CSV."""
    input:
        merged=expand(
            "results/{{labels}}/seed{{seed}}/influence/merged/test{i}.parquet",
            i=range(config["influence"]["tiles"]["test"]),
        ),
        manifest="results/dataset/manifest.parquet",
        classes="results/dataset/classes.json",
        predictions="results/{labels}/seed{seed}/predictions.parquet",
    output:
        topk="results/{labels}/seed{seed}/influence/topk.parquet",
        scores="results/{labels}/seed{seed}/influence/influence_scores.npy",
        indices="results/{labels}/seed{seed}/influence/influence_indices.npy",
        csv="results/{labels}/seed{seed}/influence/influence_scores.csv",
    log:
        "results/logs/{labels}/seed{seed}/topk.log",
    benchmark:
        "results/timings/{labels}/seed{seed}/topk.tsv"
    conda:
        "../envs/tables.yaml"
    params:
        code=library("topk.py"),
    script:
        "../workflow_scripts/topk.py"
