import ast
import json
import shutil
from pathlib import Path

from jsonschema import Draft202012Validator
from snakemake.exceptions import WorkflowError

BASE = Path(workflow.basedir)
SCRIPTS = BASE / "workflow_scripts"
# Settings of train: that go to the training loop as they are.
RECIPE = (
    "input_size batch_size head_epochs epochs learning_rate_head_stage learning_rate_head "
    "learning_rate_backbone optimizer weight_decay momentum plateau_factor plateau_patience "
    "patience checkpoint_every precision"
).split()


def check_config():
    """Stop before any job with one line for each setting that is wrong."""
    schema = yaml_file(BASE / "rules" / "schemas" / "config.schema.yaml")
    problems = [
        f"{'.'.join(map(str, error.absolute_path)) or 'config'}: {error.message}"
        for error in Draft202012Validator(schema).iter_errors(config)
    ]
    if not problems:
        train, influence = config["train"], config["influence"]
        epochs = train["head_epochs"] + train["epochs"]
        pooled = len(
            {1, epochs, *range(train["checkpoint_every"], epochs + 1, train["checkpoint_every"])}
        )
        if epochs == 0:
            problems.append("train.epochs: head_epochs and epochs are both 0")
        elif pooled < influence["checkpoints"]:
            problems.append(
                f"influence.checkpoints: {influence['checkpoints']} slots, but {epochs} epochs pool only "
                f"{pooled} checkpoints; lower it or train.checkpoint_every"
            )
        if train["input_size"] > config["dataset"]["stored_size"]:
            problems.append("train.input_size: larger than dataset.stored_size")
    if problems:
        raise WorkflowError("the configuration is wrong:\n  " + "\n  ".join(problems))


def yaml_file(path):
    """The contents of a YAML file."""
    import yaml

    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


def library(script):
    """Files of the library that a script imports, directly or not: inputs, so that an edit counts."""
    found, todo = set(), [SCRIPTS / script]
    while todo:
        for name in imported_modules(todo.pop()):
            base = SCRIPTS.joinpath(*name.split("."))
            for path in (base.with_suffix(".py"), base / "__init__.py"):
                if path.exists() and path not in found:
                    found.add(path)
                    todo.append(path)
    return sorted(
        str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
        for path in found
    )


def imported_modules(path):
    """Names of the tracin modules that a file's import statements mention."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in names if name.split(".")[0] == "tracin"}


def dataset_source(wildcards):
    """The input of ingest; a user's folder is watched by its fingerprint instead."""
    if config["dataset"]["source"] == "digits":
        return ["results/digits"]
    if config["dataset"]["source"] == "manifest":
        return [config["dataset"]["path"]]
    return []


def dataset_root():
    """The folder that image paths are relative to."""
    source, path = config["dataset"]["source"], config["dataset"]["path"]
    if source == "digits":
        return "results/digits"
    return str(Path(path).parent) if source == "manifest" else path


def listing_fingerprint(wildcards):
    """Changes when images come, go or are renamed in a user's folder."""
    if config["dataset"]["source"] != "folder":
        return ""
    import sys

    sys.path.append(str(SCRIPTS))
    from tracin.listing import folder_fingerprint

    return folder_fingerprint(Path(config["dataset"]["path"]))


def planted_noise():
    """Share of the training labels flipped on purpose: by default only in the demo."""
    share = config["dataset"]["planted_noise"]
    if share is None:
        return 0.1 if config["dataset"]["source"] == "digits" else 0.0
    return float(share)


def gpu(wildcards=None):
    """GPUs of a job that can use one."""
    device = config["compute"]["device"]
    found = device == "auto" and shutil.which("nvidia-smi") is not None
    return 1 if device == "cuda" or found else 0


def shards(split):
    """Shard files of a split, slot by slot."""
    return expand(
        "results/{{labels}}/seed{{seed}}/gradients/{slot}/{split}-{block}.safetensors",
        slot=range(config["influence"]["checkpoints"]),
        split=split,
        block=range(config["influence"]["shards"][split]),
    )


def list_length(reader):
    """How many proponents and opponents are kept of each image of a split."""
    return config["influence"]["top_k"] if reader == "test" else config["label_errors"]["opponents"]


def normalisation(reader):
    """How the lists of a split are normalised: those of training images rank by influence."""
    return config["influence"]["normalise"] if reader == "test" else "none"


def overlapping_shards(block, reader=None):
    """An input function: the shards of all slots that hold rows of a tile's block."""

    def paths(wildcards):
        split, tile = reader or wildcards.reader, int(wildcards[block])
        blocks, count = config["influence"]["tiles"][split], config["influence"]["shards"][split]
        # Block b of B holds the rows from n b / B: what overlaps in rows overlaps as a fraction.
        near = [
            s
            for s in range(count)
            if s * blocks < (tile + 1) * count and tile * count < (s + 1) * blocks
        ]
        return expand(
            "results/{labels}/seed{seed}/gradients/{slot}/{split}-{block}.safetensors",
            slot=range(config["influence"]["checkpoints"]),
            split=split,
            block=near,
            labels=wildcards.labels,
            seed=wildcards.seed,
        )

    return paths


def beyond_the_head():
    """Layers before the last whose gradients are sketched, and how: nothing for the head alone."""
    layers = config["influence"]["layers"]
    if layers == "head":
        return {}
    return {"layers": layers, "dimension": config["influence"]["projection_dim"]}


def hidden_layers():
    """Widths of the hidden layers of the head."""
    head = config["model"]["head"]
    return () if head == "linear" else tuple(head)


def out_of_fold(wildcards):
    """The probabilities from networks that never saw the image, where they are asked for."""
    name = "results/{labels}/seed{seed}/label_errors/out_of_fold.parquet"
    return [name] if config["label_errors"]["folds"] else []


def label_error_runs(name):
    """A file of every run that the ranking of suspects rests on."""
    return expand(
        "results/{{labels}}/seed{seed}/label_errors/{name}",
        seed=config["train"]["seeds"],
        name=name,
    )


def pretrained(wildcards):
    """The backbone that training starts from: none, or one file."""
    return [] if config["model"]["weights"] == "none" else ["results/weights/backbone.safetensors"]


def run_results(labels):
    """Everything made for one label set."""
    names = [
        "training.parquet",
        "predictions.parquet",
        "evaluation.json",
        "mispredictions.parquet",
        "false_predictions.csv",
        "influence/topk.parquet",
        "influence/self.parquet",
        "label_errors/outliers.parquet",
        "figures/learning_curves.png",
        "figures/confusion_matrix.png",
        "figures/mispredictions_grid.png",
        "figures/mistakes_explained.png",
    ]
    runs = expand(
        "results/{labels}/seed{seed}/{name}",
        labels=labels,
        seed=config["train"]["seeds"],
        name=names,
    )
    whole = [
        "label_errors/suspects.parquet",
        "label_errors/estimate.json",
        "figures/label_error_recall.png",
    ]
    return [
        *runs,
        *expand("results/{labels}/{name}", labels=labels, name=whole),
        "results/dataset/near_duplicates.parquet",
    ]


def summary(labels):
    """What a finished run says at its end."""
    lines = []
    for seed in config["train"]["seeds"]:
        folder = Path(f"results/{labels}/seed{seed}")
        if (folder / "evaluation.json").exists():
            result = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
            lines.append(
                f"{folder}: test accuracy {result['accuracy']:.3f} on {result['images']} images; "
                f"look at {folder}/figures/mistakes_explained.png first"
            )
    if planted_noise():
        lines.append(
            f"{planted_noise():.0%} of the training labels were flipped on purpose (dataset.planted_noise)."
        )
    return "\n".join(lines)
