# What do seq2seq learners do when in doubt? Data, trainings, predictions, tables, figures.
#
#   snakemake --cores 2                              all of config.yaml
#   snakemake --cores 2 --configfile presets/X.yaml  a preset
#   snakemake data --cores 2                         the datasets alone, as text and in fairseq's binary form
#
# The targets are data, tables, figures, report and all (the default).
from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")


configfile: Path(workflow.current_basedir.get_path_or_uri(secret_free=True)) / "config.yaml"


include: "rules/common.smk"


report: "rules/captions/workflow.rst"


localrules:
    all,
    data,
    tables,
    figures,
    report,


rule all:
    input:
        TABLES,
        FOUND_TABLES,
        FIGURE_FILES,
        f"{RESULTS}/report/index.html",


# Every dataset of the configuration, as text and in fairseq's binary form.
rule data:
    input:
        [
            f"{RESULTS}/{kind}/{task.name}/{size}/{dataset}/{name}"
            for task, size, _ in PLAN.task_sizes()
            for dataset in task.datasets
            for kind, names in (("data", text_files(task)), ("data-bin", BINARY_FILES))
            for name in names
        ],


rule tables:
    input:
        TABLES,
        FOUND_TABLES,


rule figures:
    input:
        FIGURE_FILES,


rule report:
    input:
        f"{RESULTS}/report/index.html",


include: "rules/data.smk"
include: "rules/train.smk"
include: "rules/decode.smk"
include: "rules/aggregate.smk"
include: "rules/report.smk"


# Here and not above: Snakemake listens to SIGTERM in its own way until now.
onstart:
    stop_as_by_ctrl_c()


if is_dry_run():
    say_what_is_stale()
