include: "rules/arrays.smk"


configfile: f"{workflow.basedir}/config.yaml"


report: "report/workflow.rst"


# Only with --sdm apptainer; built from envs/tracin.def.
container: f"{workflow.basedir}/envs/tracin.sif"


include: "rules/common.smk"
include: "rules/config.smk"
include: "rules/signals.smk"
include: "rules/timed.smk"
include: "rules/results.smk"


wildcard_constraints:
    labels=r"(original|corrected)(-fold\d+|-judge)?",
    base="original|corrected",
    fold=r"\d+",
    seed=r"\d+",
    slot=r"\d+",
    split="train|val|test",
    block=r"\d+",
    reader="train|test",
    i=r"\d+",
    j=r"\d+",


include: "rules/dataset.smk"
include: "rules/model.smk"
include: "rules/influence.smk"
include: "rules/label_errors.smk"
include: "rules/diagnosis.smk"
include: "rules/figures.smk"
include: "rules/dashboards.smk"
include: "rules/review.smk"


localrules:
    all,
    corrected,


rule all:
    """Everything for the original labels and every seed."""
    default_target: True
    input:
        run_results("original"),


rule corrected:
    """Retrain on the labels of data/corrections.csv and compare; the original run stays as it is."""
    input:
        run_results("corrected"),
        "results/comparison/summary.txt",


onsuccess:
    print(summary())
