# Datasets: text, then fairseq's binary form. One rule per task, since each task has datasets of its own.
for TASK in TASKS:

    rule:
        name:
            f"generate_{TASK.name}"
        output:
            expand(
                f"{RESULTS}/data/{TASK.name}/{{{{size}}}}/{{dataset}}/{{file}}",
                dataset=TASK.datasets,
                file=TEXT_FILES,
            ),
        log:
            f"{RESULTS}/logs/generate/{TASK.name}-{{size}}.log",
        params:
            task=TASK.name,
            datasets=" ".join(TASK.datasets),
            folder=f"{RESULTS}/data/{TASK.name}/{{size}}",
            task_folder=TASK_FOLDER,
            code=code_hash("scripts/generate.py", TASK.path),
        resources:
            mem_mb=500,
            runtime=5,
        shell:
            "{PYTHON} {SCRIPTS}/generate.py --task {params.task} --size {wildcards.size} --dataset {params.datasets}"
            " --output {params.folder} {params.task_folder} 2> {log}"

    rule:
        name:
            f"binarize_{TASK.name}"
        input:
            expand(
                f"{RESULTS}/data/{TASK.name}/{{{{size}}}}/{{dataset}}/{{file}}",
                dataset=TASK.datasets,
                file=TEXT_FILES,
            ),
        output:
            expand(
                f"{RESULTS}/data-bin/{TASK.name}/{{{{size}}}}/{{dataset}}/{{file}}",
                dataset=TASK.datasets,
                file=BINARY_FILES,
            ),
        log:
            f"{RESULTS}/logs/binarize/{TASK.name}-{{size}}.log",
        params:
            datasets=" ".join(TASK.datasets),
            text=f"{RESULTS}/data/{TASK.name}/{{size}}",
            folder=f"{RESULTS}/data-bin/{TASK.name}/{{size}}",
            code=code_hash("scripts/binarize.py"),
        resources:
            mem_mb=1000,
            runtime=10,
        shell:
            "{PYTHON} {SCRIPTS}/binarize.py --text {params.text} --dataset {params.datasets} --output {params.folder}"
            " 2> {log}"
