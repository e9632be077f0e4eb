# Datasets (indoubt/data): text, then fairseq's binary form. One rule per task, since each has datasets of its own.
for TASK in DATA_TASKS:

    rule:
        name:
            f"generate_{TASK.name}"
        output:
            expand(
                f"{RESULTS}/data/{TASK.name}/{{{{size}}}}/{{dataset}}/{{file}}",
                dataset=TASK.datasets,
                file=text_files(TASK),
            ),
        log:
            f"{RESULTS}/logs/generate/{TASK.name}-{{size}}.log",
        conda:
            "../envs/doubt.yaml"
        resources:
            mem_mb=500,
            runtime=5,
        params:
            task=TASK.name,
            datasets=" ".join(TASK.datasets),
            folder=lambda wildcards, output: str(Path(output[0]).parents[1]),
            task_folder=TASK_FOLDER,
            examples=examples(TASK),
            code=code_hash("scripts/generate.py"),
        shell:
            'python "$DOUBT_SCRIPTS/generate.py" --task {params.task} --size {wildcards.size} --dataset {params.datasets}'
            " --output {params.folder} {params.task_folder} 2> {log}"

    rule:
        name:
            f"binarize_{TASK.name}"
        input:
            expand(
                f"{RESULTS}/data/{TASK.name}/{{{{size}}}}/{{dataset}}/{{file}}",
                dataset=TASK.datasets,
                file=text_files(TASK),
            ),
        output:
            expand(
                f"{RESULTS}/data-bin/{TASK.name}/{{{{size}}}}/{{dataset}}/{{file}}",
                dataset=TASK.datasets,
                file=[*BINARY_FILES, CHECKSUMS],
            ),
        log:
            f"{RESULTS}/logs/binarize/{TASK.name}-{{size}}.log",
        conda:
            "../envs/doubt.yaml"
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            datasets=" ".join(TASK.datasets),
            text=lambda wildcards, input: str(Path(input[0]).parents[1]),
            folder=lambda wildcards, output: str(Path(output[0]).parents[1]),
            examples=examples(TASK),
            code=code_hash("scripts/binarize.py"),
        shell:
            'python "$DOUBT_SCRIPTS/binarize.py" --text {params.text} --dataset {params.datasets} --output {params.folder}'
            " 2> {log}"
