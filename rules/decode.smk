# What T's learners give for the test inputs, and which rule each seed follows (indoubt/measures).
rule decode:
    input:
        f"{RESULTS}/runs/{{task}}/{{size}}/{{learner}}.jsonl",
    output:
        f"{RESULTS}/predictions/{{task}}/{{size}}/{{learner}}/predictions.jsonl",
    log:
        f"{RESULTS}/logs/decode/{{task}}/{{size}}/{{learner}}.log",
    conda:
        "../envs/doubt.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        task_folder=TASK_FOLDER,
        made=rows_hash,
        said=rules_hash,
        code=code_hash("scripts/predictions.py"),
    shell:
        'python "$DOUBT_SCRIPTS/predictions.py" --task {wildcards.task} --size {wildcards.size} --runs {input}'
        " --output {output} {params.task_folder} 2> {log}"
