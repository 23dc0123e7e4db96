def timings(wildcards):
    """Benchmark files of the heavy jobs behind a label set, by rule."""
    sides, tiles = config["influence"]["shards"], config["influence"]["tiles"]
    seeds, folds = config["train"]["seeds"], range(config["label_errors"]["folds"])
    run = {"labels": wildcards.labels, "seed": seeds}
    judge = {
        "labels": f"{wildcards.labels}-judge",
        "seed": sorted({other for seed in seeds for other in judging_seeds(seed)}),
    }
    fold = run | {"labels": [f"{wildcards.labels}-fold{number}" for number in folds]}
    slots = range(config["influence"]["checkpoints"])
    blocks = [{"split": split, "block": range(count)} for split, count in sides.items()]
    readers = [{"reader": reader, "i": range(count)} for reader, count in tiles.items()]
    jobs = {
        "ingest": [{}],
        "near_duplicates": [{}],
        "train": [run, judge, fold],
        "predict": [run],
        "views": [run, judge, fold],
        "gradients": [run | block | {"slot": slots} for block in blocks],
        "self_influence": [run],
        "tile": [run | reader | {"j": range(tiles["train"])} for reader in readers],
        "merge": [run | reader for reader in readers],
        "topk": [run],
        "votes": [judge, fold],
        "neighbours": [run],
        "signals": [run],
        "suspects": [{"labels": wildcards.labels}],
        "cross_reference": [run],
        "plot_overall": [run],
        "plot_classes": [run],
    }
    return {name: [f for job in some for f in timed(name, job)] for name, some in jobs.items()}


def timed(name, wildcards):
    """Benchmark files of some jobs of a rule, but of those that ran before they were timed."""
    heavy = getattr(rules, name)
    both = zip(
        expand(heavy.benchmark, **wildcards), expand(heavy.output[0], **wildcards), strict=True
    )
    # To ask for the time of a finished job would run it again, training included.
    return [file for file, made in both if Path(file).exists() or not Path(made).exists()]
