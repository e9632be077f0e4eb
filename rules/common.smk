# Functions and constants that the rules share; no rule here.
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Where this file lies, and not the Snakefile that may have taken it as a module. An installed package is found as it is.
PROJECT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent
if (PROJECT / "indoubt").is_dir():
    sys.path.insert(0, str(PROJECT))

from indoubt.workflow.config_files import content_of, merged
from indoubt.workflow.code_hash import code_hash, content_hash
from indoubt.data.datasets import dataset_digest
from indoubt.data.datasets import BINARY_FILES, CHECKSUMS
from indoubt.data.seeds import LABEL as SEEDS
from indoubt.data.datasets import text_files
from indoubt.errors import UserError, how_it_ended
from indoubt.files import python_path, write_atomically
from indoubt.figures import (
    ATLAS,
    ATLAS_CAPTION,
    STARTS as STARTS_FIGURE,
    STARTS_CAPTION,
    FIGURES as ALL_FIGURES,
    files as figure_files,
    names as figure_names,
)
from indoubt.schema import TABLES as SCHEMA
from indoubt.tables import FILES as TABLE_FILES, FOUND_FILES
from indoubt.workflow.rule_params import words
from indoubt.workflow.rule_params import described
from indoubt.workflow.rule_params import set_job_environment
from indoubt.workflow.plan import Plan
from indoubt.workflow.start_jobs import Starts
from indoubt.workflow.cells import reached, read_look
from indoubt.workflow.rule_params import Upstream, task_hash
from indoubt.workflow.config_files import check_unique
from indoubt.workflow.processes import stop_as_by_ctrl_c

RESULTS = "results"

try:
    for path in workflow.configfiles:  # Snakemake has read them, and of a key that stands twice kept the last
        check_unique(Path(path).read_text(encoding="utf-8"), str(path))
    CONTENT = merged(content_of([], []), config)  # as a module, config holds what the module is given and no more
    PLAN = Plan(CONTENT, Path(RESULTS) / ".cache")
except UserError as error:
    raise WorkflowError(str(error))
for notice in PLAN.notices():
    logger.info(notice)
UPSTREAM = Upstream(PLAN)
STARTS = Starts(PLAN)
set_job_environment(PROJECT / "scripts", PLAN.config)

TABLES = [f"{RESULTS}/tables/{name}" for name in TABLE_FILES]
FOUND_TABLES = [f"{RESULTS}/tables/{name}" for name in FOUND_FILES]
PREDICTIONS = [
    f"{RESULTS}/predictions/{cell.folder}/predictions.jsonl" for cell in PLAN.cells.values() if "fpa" in cell.datasets
]

# Tables that `snakemake --report` shows.
REPORTED = {
    f"{name}.csv": {"caption": f"captions/{name}.rst", "category": "Tables", "labels": {"table": table.label}}
    for name, table in SCHEMA.items()
    if table.label
}
TASKS = sorted({task.name: task for task, _, _ in PLAN.task_sizes()}.values(), key=lambda task: task.name)
# Those that are measured, and those that learners have learned before.
LEARNED_BEFORE = {stage.task for start in PLAN.starts.values() for stage in start.stages}
DATA_TASKS = TASKS + [PLAN.tasks[name] for name in sorted(LEARNED_BEFORE - {task.name for task in TASKS})]
FIGURES = [
    (task.name, figure) for task in TASKS for figure in figure_names(PLAN.looked_at(task.name), PLAN.swept(task.name))
]
FIGURE_FILES = [f"{RESULTS}/figures/{task}/{file}" for task, figure in FIGURES for file in figure_files(figure)]
FIGURE_FILES += [f"{RESULTS}/figures/{name}" for name in (*ATLAS, *(STARTS_FIGURE if PLAN.starts else ()))]
TASK_FOLDER = shlex.join(["--task-folder", PLAN.config.task_folder]) if PLAN.config.task_folder else ""


wildcard_constraints:
    task="[a-z][a-z0-9_-]*",
    size=r"\d+",
    learner="[A-Za-z0-9][A-Za-z0-9._=,+-]*",
    seeds=SEEDS,
    blocks=r"\d+-\d+",
    start="[A-Za-z0-9][A-Za-z0-9._=,+-]*",
    step=r"\d+",


def caption(name, text):
    """A file with a figure's caption, as `snakemake --report` wants it."""
    path = (Path(RESULTS) / ".cache/captions" / f"{name}.rst").absolute()
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_atomically(path, text)
    return str(path)


def is_reported(path):
    """Whether `snakemake --report` shows a figure's file: the one for print."""
    return path.endswith(".svg") and "/panels/" not in path


def figure_labels(path):
    """How `snakemake --report` files a figure: by its task, under its name."""
    *_, task, name = Path(path).with_suffix("").parts
    captions = dict.fromkeys(ATLAS, ATLAS_CAPTION) | dict.fromkeys(STARTS_FIGURE, STARTS_CAPTION)
    of_all = Path(path).name in captions
    task = "all tasks" if of_all else task
    return {
        "caption": caption(name, captions[Path(path).name] if of_all else ALL_FIGURES[name].caption),
        "category": "Figures",
        "subcategory": task,
        "labels": {"figure": name.replace("_", " ")},
    }


def is_dry_run():
    """Whether Snakemake was asked to say what it would do; it tells a Snakefile nothing of that but its command line."""
    return any(re.fullmatch(r"-[a-zA-Z]*n[a-zA-Z]*|--dry-?run", word) for word in sys.argv[1:])


def say_what_is_stale():
    """Say which trainings are to be done and why, in words; in a process of its own, since it imports torch."""
    nothing = PLAN.nothing_done(Path(RESULTS))
    if nothing is not None:
        logger.info(nothing)
        return
    command = [sys.executable, "-m", "indoubt", "plan", "--configfile", "-"]
    environment = {**os.environ, "PYTHONPATH": python_path(), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, input=json.dumps(CONTENT), capture_output=True, encoding="utf-8", env=environment)
    said = done.stdout
    if done.returncode != 0:
        said = f"Which trainings are to be done cannot be told: {done.stderr or how_it_ended(done.returncode)}"
    logger.info(said)


def cell_of(wildcards):
    """The plan's cell that a job's wildcards name."""
    return PLAN.cell(wildcards.task, wildcards.size, wildcards.learner)


def examples(task):
    """A function of a job's wildcards that says which examples the datasets of a (task, size) are to hold, as a hash."""
    return lambda wildcards: " ".join(dataset_digest(task, int(wildcards.size), each) for each in task.datasets)


def rows_hash(wildcards):
    """What the rows of a job's cell are to be."""
    return UPSTREAM.rows(cell_of(wildcards))


def rules_hash(wildcards):
    """The code of a job's task, and what its rules say."""
    return task_hash(PLAN.tasks[wildcards.task])


def chunk_of(wildcards):
    """The plan's chunk that a training job's wildcards name."""
    return PLAN.chunk(cell_of(wildcards), f"seeds-{wildcards.seeds}/blocks-{wildcards.blocks}.jsonl")


def arguments(*given):
    """Arguments of a script as words of its command, as a string, so that Snakemake compares them by value."""
    return words(given, Path(RESULTS) / ".cache/arguments")


def job_argument(wildcards):
    """What a training job is to do."""
    return arguments("--job", json.dumps(PLAN.job(cell_of(wildcards), chunk_of(wildcards)), sort_keys=True))


def binarized(wildcards):
    """The checksums of the binary data that a training job reads: they stand for the data's many files."""
    folder = f"{RESULTS}/data-bin/{wildcards.task}/{wildcards.size}"
    datasets = PLAN.datasets(cell_of(wildcards), chunk_of(wildcards))
    return [f"{folder}/{dataset}/{CHECKSUMS}" for dataset in datasets] + start_data(cell_of(wildcards))


def start_data(cell):
    """The checksums of the binary data that a cell's start reads."""
    start = PLAN.starts.get(cell.learner)
    stages = start.stages if start is not None else ()
    return [f"{RESULTS}/data-bin/{each.task}/{each.size}/{each.dataset}/{CHECKSUMS}" for each in stages]


def started(wildcards):
    """The starts that a training job goes on from."""
    return [f"{RESULTS}/starts/{path}" for path in STARTS.files(cell_of(wildcards), chunk_of(wildcards))]


def binarized_for_start(wildcards):
    """The binary data that a job of a start reads: of a cell that goes on from it, and of its stages."""
    cell = STARTS.plans[wildcards.start].cell
    folder = f"{RESULTS}/data-bin/{cell.task}/{cell.size}"
    return [f"{folder}/{dataset}/{CHECKSUMS}" for dataset in cell.datasets] + start_data(cell)


def start_job(wildcards):
    """What a job of a start is to do."""
    return STARTS.job(wildcards.start, STARTS.chunk(wildcards.start, wildcards.seeds))


def start_minutes(wildcards):
    """Time that a job of a start may take, in minutes: twice what is expected."""
    seeds = STARTS.chunk(wildcards.start, wildcards.seeds)
    return max(10, round(2 * len(seeds) * STARTS.seconds_of_a_seed(STARTS.plans[wildcards.start]) / 60))


def rows_up_to(cell, last):
    """The rows of a cell's jobs of seeds up to the last."""
    return [f"{RESULTS}/runs/{cell.folder}/{chunk.path}" for chunk in PLAN.trained(cell, last)]


def job_rows(wildcards):
    """The rows of all of a cell's jobs; of seeds in steps, of those that it took."""
    cell = cell_of(wildcards)
    last = max(cell.seeds) if cell.until is None else reached(cell.until, cell.name, looks_at(cell.task))
    return rows_up_to(cell, last)


def looks_at(task, most=None):
    """The looks at a task's cells, until all are decided or have all seeds; at most so many."""
    found = []
    while most is None or len(found) < most:
        found.append(read_look(Path(checkpoints.look.get(task=task, step=len(found) + 1).output[0])))
        if not any(look.open for look in found[-1].values()):
            break
    return found


def look_files(wildcards):
    """The files of all looks at all tasks."""
    tasks = [task.name for task in TASKS if PLAN.stepwise(task.name)]
    return [f"{RESULTS}/looks/{task}/{place + 1}.json" for task in tasks for place in range(len(looks_at(task)))]


def seeds_so_far(wildcards):
    """For each cell of a task whose seeds come in steps the last seed that a look sees."""
    looks = looks_at(wildcards.task, int(wildcards.step) - 1)
    return [(cell, reached(cell.until, cell.name, looks)) for cell in PLAN.stepwise(wildcards.task)]


def rows_so_far(wildcards):
    """The rows that a look sees."""
    return [path for cell, last in seeds_so_far(wildcards) for path in rows_up_to(cell, last)]


def cells_so_far(wildcards):
    """What a look is to know of each cell that it sees."""
    cells = {}
    for cell, last in seeds_so_far(wildcards):
        measure, rules = PLAN.rules_in_doubt(cell)
        about = {"seeds": last, "most": cell.until.most, "measure": measure, "rules": rules}
        cells[cell.name] = about | {"rows": rows_up_to(cell, last)}
    return arguments("--cells", json.dumps(cells, sort_keys=True))


def priority(wildcards):
    """Which training jobs come first."""
    return PLAN.priority(cell_of(wildcards))


def gpus(wildcards):
    """GPUs that a training job asks for; Snakemake ignores the number on this machine unless --resources gpu=N."""
    return 0 if PLAN.config.device == "cpu" else 1


def memory(wildcards, attempt):
    """Memory of a training job in MB, and more after each failure."""
    return attempt * PLAN.memory_mb(cell_of(wildcards), chunk_of(wildcards))


def minutes(wildcards, attempt):
    """Time that a training job may take, in minutes: twice what is expected, and more after each failure."""
    return attempt * max(10, round(2 * PLAN.seconds(cell_of(wildcards), chunk_of(wildcards)) / 60))
