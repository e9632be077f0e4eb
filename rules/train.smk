# Trainings: one job for a range of seeds and of blocks of one (task, size, learner).
rule train:
    input:
        binarized,
    output:
        f"{RESULTS}/runs/{{task}}/{{size}}/{{learner}}/seeds-{{seeds}}/blocks-{{blocks}}.jsonl",
    log:
        f"{RESULTS}/logs/train/{{task}}/{{size}}/{{learner}}/seeds-{{seeds}}-blocks-{{blocks}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train/{{task}}/{{size}}/{{learner}}/seeds-{{seeds}}-blocks-{{blocks}}.tsv"
    params:
        job=job_json,
        data_bin=f"{RESULTS}/data-bin/{{task}}/{{size}}",
        ledger=f"{RESULTS}/ledger",
        code=code_hash("scripts/trainings.py"),
    threads: 1
    resources:
        gpu=gpus,
        mem_mb=memory,
        runtime=minutes,
    shell:
        # device and checkpoints are not params: where a training is done, and what is kept of it, makes nothing stale
        "{PYTHON} {SCRIPTS}/trainings.py --job {params.job:q} --data-bin {params.data_bin} --ledger {params.ledger}"
        " --output {output} --device {DEVICE} --threads {threads} {CHECKPOINTS} 2> {log}"


# All rows of a cell in one file, so that what follows reads tens of files and not a hundred thousand.
rule collect:
    input:
        job_rows,
    output:
        f"{RESULTS}/runs/{{task}}/{{size}}/{{learner}}.jsonl",
    log:
        f"{RESULTS}/logs/collect/{{task}}/{{size}}/{{learner}}.log",
    params:
        jobs=lambda wildcards: json.dumps(PLAN.grouped(cell_of(wildcards))),
        folder=f"{RESULTS}/runs/{{task}}/{{size}}/{{learner}}",
        code=code_hash("scripts/collect.py"),
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "{PYTHON} {SCRIPTS}/collect.py --folder {params.folder} --jobs {params.jobs:q} --output {output} 2> {log}"
