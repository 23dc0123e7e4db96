import ast
import hashlib
import json
import shlex
import shutil
import sys
from functools import cache
from pathlib import Path

from snakemake.utils import min_version

min_version("9.20")

BASE = Path(workflow.basedir)
SCRIPTS = BASE / "workflow_scripts"
sys.path.append(str(SCRIPTS))
# Settings of train: that go to the training loop as they are.
RECIPE = (
    "input_size batch_size head_epochs epochs learning_rate_head_stage learning_rate_head "
    "learning_rate_backbone optimizer weight_decay momentum schedule plateau_factor plateau_patience "
    "patience checkpoint_every precision"
).split()


def yaml_file(path):
    """The contents of a YAML file."""
    import yaml

    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


def library(script, *shipped):
    """A digest of the library's files that a script imports, directly or not: a param, so that an edit counts.

    And of other shipped files that it reads. As inputs they would be a sixth of the time and memory of a plan
    with thousands of jobs, and most of what it prints; and those of another clone would be others.
    """
    found, todo = set(), [SCRIPTS / script]
    while todo:
        for name in imported_modules(todo.pop()):
            base = SCRIPTS.joinpath(*name.split("."))
            for path in (base.with_suffix(".py"), base / "__init__.py"):
                if path.exists() and path not in found:
                    found.add(path)
                    todo.append(path)
    digest = hashlib.sha256()
    for path in sorted(found):
        digest.update(f"{path.relative_to(SCRIPTS)}\n".encode())
        digest.update(path.read_bytes())
    for name in shipped:
        digest.update((BASE / name).read_bytes())
    return f"library {digest.hexdigest()[:16]}"


@cache
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


def planted_noise():
    """Share of the training labels flipped on purpose: by default only in the demo."""
    share = config["dataset"]["planted_noise"]
    if share is None:
        return 0.1 if config["dataset"]["source"] == "digits" else 0.0
    return float(share)


def weights_stamp():
    """Size and time of a file of weights, so that another one of its name is noticed."""
    path = Path(config["model"]["weights"])
    facts = path.stat() if path.is_file() else None
    return f"{facts.st_size} {facts.st_mtime_ns}" if facts else "published"


def gpu():
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
        # Not expand(): of 10,000 tiles it is a tenth of the time to plan.
        return [
            f"results/{wildcards.labels}/seed{wildcards.seed}/gradients/{slot}/{split}-{s}.safetensors"
            for slot in range(config["influence"]["checkpoints"])
            for s in near
        ]

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


def judging_seeds(seed):
    """Seeds of the networks that judge labels beside that of a run: not its own."""
    from tracin.settings import judges

    return range(seed + 1, seed + 1 + judges(config))


def others(name, labels, seeds):
    """A result of every other network that judges the labels beside the runs of some seeds."""
    judges = sorted({judge for seed in seeds for judge in judging_seeds(seed)})
    folds = range(config["label_errors"]["folds"])
    return [
        *expand(f"results/{labels}-judge/seed{{seed}}/{name}", seed=judges),
        *expand(f"results/{labels}-fold{{fold}}/seed{{seed}}/{name}", fold=folds, seed=seeds),
    ]


def label_set(wildcards):
    """The labels that a network is trained on: a judge's are those of its run."""
    return f"results/labels/{wildcards.labels.removesuffix('-judge')}.parquet"


def training(wildcards):
    """The settings of a training."""
    from tracin.settings import training

    return training(config, wildcards.labels)


def corrections_file(wildcards):
    """The reviewer's file, or a sentence that says how to get one."""
    path = Path("data/corrections.csv")
    if not path.exists():
        # A SystemExit ends Snakemake with this text alone; any other exception adds a traceback.
        raise SystemExit(
            f"Error: {path} does not exist. Open results/original/review/index.html in a browser, decide, "
            f"press Save, and put the file at {path}."
        )
    return str(path)


def decisions_so_far(wildcards):
    """The decisions that made a label set: none for the original labels."""
    return ["results/labels/corrections.parquet"] if wildcards.labels == "corrected" else []


def review_template():
    """The files of the review page."""
    scripts = "decisions.js rows.js view.js page.js files.js keys.js start.js"
    names = f"page.html page.css {scripts}".split()
    return [f"workflow_scripts/tracin/review/{name}" for name in names]


def pretrained(wildcards):
    """The backbone that training starts from: none, or one file."""
    return [] if config["model"]["weights"] == "none" else ["results/weights/backbone.safetensors"]


def all_seeds(name, labels="{labels}"):
    """One result of every seed's run of a label set, in the order of train.seeds."""
    path = f"results/{labels}/seed{{seed}}/{name}"
    return expand(path, seed=config["train"]["seeds"], allow_missing=True)


def class_page_labels(wildcards):
    """Labels of a class's page in the report, by the class index that begins the page's name."""
    classes = json.loads(Path("results/dataset/classes.json").read_text(encoding="utf-8"))
    name = classes[int(wildcards.page.split("-")[0])]
    # The report resolves braces as wildcards and puts labels into a script element unescaped.
    for sign, likeness in zip("{}<", "｛｝‹"):
        name = name.replace(sign, likeness)
    return {"label set": "{labels}", "seed": "{seed}", "class": name}


def image_page_labels(wildcards):
    """Labels of a training image's page in the report.

    Where a label has two values, the report makes it a switch and breaks unless every row has
    both. Pages of two runs or two effects have no counterpart, so neither gets a column.
    """
    page = wildcards.page.replace("_", " #")
    return {"run": f"{wildcards.labels}, seed {wildcards.seed}", wildcards.effect: page}
