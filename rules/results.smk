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
        "figures/overall_dashboard.png",
        "figures/per_class",
        "figures/top_helpful_images.png",
        "diagnosis/misprediction_influence_analysis.parquet",
    ]
    together = [
        "summary.json",
        "timings.parquet",
        "label_errors/suspects.parquet",
        "label_errors/estimate.json",
        "figures/label_error_recall.png",
        "figures/mislabeled_candidates.png",
        "review/index.html",
        "export/manifest.parquet",
    ]
    seeds = config["train"]["seeds"]
    if len(seeds) > 1:
        together.append("runs/summary.txt")
    return [
        *expand("results/{labels}/seed{seed}/{name}", labels=labels, seed=seeds, name=names),
        *(f"results/{labels}/{name}" for name in together),
        "results/dataset/near_duplicates.parquet",
    ]


def own_options():
    """What tells this run from the demo in a command: without it other data would be planned over its results."""
    folder, files = workflow.overwrite_workdir, map(Path, workflow.overwrite_configfiles)
    words = ["--directory", str(folder)] if folder else []
    # Relative names are those of the folder where the next command is typed.
    near = [
        f.relative_to(Path.cwd()) if not folder and f.is_relative_to(Path.cwd()) else f
        for f in files
    ]
    if near:
        words += ["--configfile", *map(str, near)]
    if changed := workflow.config_settings.config:
        words += ["--config", *(f"{name}={json.dumps(value)}" for name, value in changed.items())]
    return "".join(f" {shlex.quote(word)}" for word in words)


def summary():
    """What a finished run says at its end: of the label set that was summed up last."""
    lines = []
    paths = [Path(f"results/{labels}/summary.json") for labels in ("original", "corrected")]
    if found := [path for path in paths if path.exists()]:
        newest = max(found, key=lambda path: path.stat().st_mtime_ns)
        found = json.loads(newest.read_text(encoding="utf-8"))
        lines += found["short"]
        for step in found["next_steps"]:
            lines.append(f"{step['do']}: {step.get('open') or step['run'] + own_options()}")
    if own_options():
        lines.append(f"Every other command of this run ends so too:{own_options()}")
    comparison = Path("results/comparison/summary.txt")
    if comparison.exists():
        verdict = comparison.read_text(encoding="utf-8").splitlines()[0]
        lines.append(f"{comparison}: {verdict}")
    return "\n".join(lines)
