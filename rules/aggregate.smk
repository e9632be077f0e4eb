# Tables from all cells, and pictures from the tables.
rule aggregate:
    input:
        runs=[f"{RESULTS}/runs/{cell.folder}.jsonl" for cell in PLAN.cells.values()],
        predictions=[
            f"{RESULTS}/predictions/{cell.folder}/predictions.jsonl"
            for cell in PLAN.cells.values()
            if "fpa" in cell.datasets
        ],
    output:
        TABLES,
    log:
        f"{RESULTS}/logs/aggregate.log",
    benchmark:
        f"{RESULTS}/benchmarks/aggregate.tsv"
    params:
        tables=f"{RESULTS}/tables",
        task_folder=TASK_FOLDER,
        code=code_hash("scripts/aggregate.py", *(task.path for task in TASKS)),
    resources:
        mem_mb=4000,
        runtime=30,
    shell:
        "{PYTHON} {SCRIPTS}/aggregate.py --runs {input.runs} --predictions {input.predictions}"
        " --tables {params.tables} {params.task_folder} 2> {log}"


rule plot:
    input:
        TABLES,
    output:
        FIGURE_FILES,
    log:
        f"{RESULTS}/logs/plot.log",
    params:
        tables=f"{RESULTS}/tables",
        figures=f"{RESULTS}/figures",
        code=code_hash("scripts/figures.py"),
    resources:
        mem_mb=2000,
        runtime=30,
    shell:
        "{PYTHON} {SCRIPTS}/figures.py --tables {params.tables} --figures {params.figures} 2> {log}"
