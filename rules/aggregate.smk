# Tables from all cells (indoubt/measures, indoubt/statistics, indoubt/tables), and pictures from the tables (indoubt/figures).
rule aggregate:
    input:
        runs=[f"{RESULTS}/runs/{cell.folder}.jsonl" for cell in PLAN.cells.values()],
        predictions=PREDICTIONS,
        looks=look_files,
    output:
        [report(path, **REPORTED[Path(path).name]) if Path(path).name in REPORTED else path for path in TABLES],
    log:
        f"{RESULTS}/logs/aggregate.log",
    benchmark:
        f"{RESULTS}/benchmarks/aggregate.tsv"
    conda:
        "../envs/doubt.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        tables=lambda wildcards, output: str(Path(output[0]).parent),
        rows=lambda wildcards, input: arguments(
            "--runs", *input.runs, "--predictions", *input.predictions, "--looks", *input.looks
        ),
        sweeps=arguments("--sweeps", json.dumps(PLAN.sweeps, sort_keys=True)),
        starts=arguments("--starts", json.dumps(PLAN.starts_and_bases(), sort_keys=True)),
        cannot_tell=arguments("--cannot-tell", json.dumps(PLAN.cannot_tell, sort_keys=True)),
        task_folder=TASK_FOLDER,
        made=lambda wildcards: UPSTREAM.tables(),
        code=code_hash("scripts/aggregate.py"),
        claims=content_hash("indoubt/statistics/*.yaml"),
    shell:
        'python "$DOUBT_SCRIPTS/aggregate.py" {params.rows} {params.sweeps} {params.starts} {params.cannot_tell}'
        " --tables {params.tables} {params.task_folder} 2> {log}"


# What the seeds do that follow no rule (indoubt/found); with `found: false` the tables have no rows.
rule found:
    input:
        PREDICTIONS if PLAN.config.found else [],
    output:
        FOUND_TABLES,
    log:
        f"{RESULTS}/logs/found.log",
    benchmark:
        f"{RESULTS}/benchmarks/found.tsv"
    conda:
        "../envs/doubt.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        tables=lambda wildcards, output: str(Path(output[0]).parent),
        rows=lambda wildcards, input: arguments("--predictions", *input),
        task_folder=TASK_FOLDER,
        code=code_hash("scripts/find_rules.py", *(path for task in PLAN.tasks.values() for path in task.files)),
    shell:
        'python "$DOUBT_SCRIPTS/find_rules.py" {params.rows} --tables {params.tables} {params.task_folder} 2> {log}'


rule plot:
    input:
        TABLES,
        FOUND_TABLES,
    output:
        [report(path, **figure_labels(path)) if is_reported(path) else path for path in FIGURE_FILES],
    log:
        f"{RESULTS}/logs/plot.log",
    conda:
        "../envs/doubt.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        tables=lambda wildcards, input: str(Path(input[0]).parent),
        figures=lambda wildcards, output: str(Path(output[0]).parents[1]),
        wanted=arguments("--draw", *(f"{task}/{figure}" for task, figure in FIGURES)),
        made=lambda wildcards: UPSTREAM.figures(),
        code=code_hash("scripts/figures.py"),
    shell:
        'python "$DOUBT_SCRIPTS/figures.py" --tables {params.tables} --figures {params.figures}'
        " {params.wanted} 2> {log}"
