# Trainings (indoubt/engines, indoubt/workflow): one job for a range of seeds and of blocks of one (task, size, learner).
rule train:
    input:
        binarized,
        starts=lambda wildcards: ancient(started(wildcards)),
    output:
        f"{RESULTS}/runs/{{task}}/{{size}}/{{learner}}/seeds-{{seeds}}/blocks-{{blocks}}.jsonl",
    log:
        f"{RESULTS}/logs/train/{{task}}/{{size}}/{{learner}}/seeds-{{seeds}}-blocks-{{blocks}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train/{{task}}/{{size}}/{{learner}}/seeds-{{seeds}}-blocks-{{blocks}}.tsv"
    priority: priority
    conda:
        "../envs/doubt.yaml"
    threads: 1
    resources:
        gpu=gpus,
        mem_mb=memory,
        runtime=minutes,
    params:
        job=job_argument,
        data_bin=lambda wildcards, input: str(Path(input[0]).parents[1]),
        ledger=f"{RESULTS}/ledger",
        states=f"{RESULTS}/states",
        running=f"{RESULTS}/running",
        checkpoints=f"{RESULTS}/checkpoints",
        starts=f"{RESULTS}/starts/weights",
        code=code_hash("scripts/trainings.py"),
    shell:
        'python "$DOUBT_SCRIPTS/trainings.py" {params.job} --data-bin {params.data_bin} --ledger {params.ledger}'
        " --output {output} --device $DOUBT_DEVICE --threads {threads} --keep $DOUBT_KEEP"
        " --checkpoints {params.checkpoints} --states {params.states} --running {params.running}"
        " --starts {params.starts} --slots-per-gpu $DOUBT_SLOTS_PER_GPU 2> {log}"


# What learners have learned before T: one job for some seeds of a start, whatever cells go on from it.
rule start:
    input:
        binarized_for_start,
    output:
        f"{RESULTS}/starts/{{start}}/seeds-{{seeds}}.jsonl",
    log:
        f"{RESULTS}/logs/start/{{start}}/seeds-{{seeds}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/start/{{start}}/seeds-{{seeds}}.tsv"
    conda:
        "../envs/doubt.yaml"
    threads: 1
    resources:
        gpu=gpus,
        mem_mb=lambda wildcards, attempt: attempt * 4000,
        runtime=lambda wildcards, attempt: attempt * start_minutes(wildcards),
    params:
        job=lambda wildcards: arguments("--job", json.dumps(start_job(wildcards), sort_keys=True)),
        data_bin=lambda wildcards, input: str(Path(input[0]).parents[1]),
        ledger=f"{RESULTS}/ledger",
        states=f"{RESULTS}/states",
        running=f"{RESULTS}/running",
        checkpoints=f"{RESULTS}/checkpoints",
        starts=f"{RESULTS}/starts/weights",
        code=code_hash("scripts/trainings.py"),
    shell:
        'python "$DOUBT_SCRIPTS/trainings.py" {params.job} --data-bin {params.data_bin} --ledger {params.ledger}'
        " --output {output} --device $DOUBT_DEVICE --threads {threads} --keep $DOUBT_KEEP --starts-alone"
        " --checkpoints {params.checkpoints} --states {params.states} --running {params.running}"
        " --starts {params.starts} --slots-per-gpu $DOUBT_SLOTS_PER_GPU 2> {log}"


# All rows of a cell in one file, so that what follows reads tens of files and not a hundred thousand.
rule collect:
    input:
        job_rows,
    output:
        f"{RESULTS}/runs/{{task}}/{{size}}/{{learner}}.jsonl",
    log:
        f"{RESULTS}/logs/collect/{{task}}/{{size}}/{{learner}}.log",
    conda:
        "../envs/doubt.yaml"
    resources:
        mem_mb=500,
        runtime=10,
    params:
        rows=lambda wildcards, input: arguments("--rows", *input),
        made=rows_hash,
        code=code_hash("scripts/collect.py"),
    shell:
        'python "$DOUBT_SCRIPTS/collect.py" {params.rows} --output {output} 2> {log}'


# Is it sure which rule each cell of a task prefers? Where not, the next step of its seeds is trained.
checkpoint look:
    input:
        rows_so_far,
    output:
        f"{RESULTS}/looks/{{task}}/{{step}}.json",
    log:
        f"{RESULTS}/logs/look/{{task}}-{{step}}.log",
    conda:
        "../envs/doubt.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        cells=cells_so_far,
        task_folder=TASK_FOLDER,
        made=lambda wildcards: UPSTREAM.looks(wildcards.task),
        said=rules_hash,
        code=code_hash("scripts/look.py"),
    shell:
        'python "$DOUBT_SCRIPTS/look.py" --task {wildcards.task} {params.cells} --output {output} {params.task_folder}'
        " 2> {log}"
