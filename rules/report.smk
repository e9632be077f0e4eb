# What made the results, and the page that tells what they say (indoubt/report).
MADE = arguments(
    *("--config", json.dumps(PLAN.config.model_dump(), sort_keys=True)),
    *("--expected", json.dumps(PLAN.expected()), "--learners", json.dumps(described(PLAN))),
)


rule provenance:
    input:
        f"{RESULTS}/tables/blocks.csv",
    output:
        f"{RESULTS}/tables/provenance.json",
        f"{RESULTS}/tables/config.yaml",
        f"{RESULTS}/tables/expected.json",
    log:
        f"{RESULTS}/logs/provenance.log",
    conda:
        "../envs/doubt.yaml"
    resources:
        mem_mb=500,
        runtime=5,
    params:
        folder=lambda wildcards, output: str(Path(output[0]).parent),
        made=MADE,
        tables=lambda wildcards: UPSTREAM.figures(),
        code=code_hash("scripts/provenance.py"),
    shell:
        'python "$DOUBT_SCRIPTS/provenance.py" {params.made}' " --output {params.folder} 2> {log}"


rule page:
    input:
        tables=TABLES + FOUND_TABLES,
        figures=FIGURE_FILES,
        made=[f"{RESULTS}/tables/{name}" for name in ("provenance.json", "config.yaml", "expected.json")],
    output:
        report(
            f"{RESULTS}/report/index.html",
            caption="captions/report.rst",
            category="Report",
            labels={"page": "the whole report"},
        ),
    log:
        f"{RESULTS}/logs/report.log",
    benchmark:
        f"{RESULTS}/benchmarks/report.tsv"
    conda:
        "../envs/doubt.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        tables=lambda wildcards, input: str(Path(input.made[0]).parent),
        figures=lambda wildcards, input: str(Path(input.figures[0]).parents[1]),
        task_folder=TASK_FOLDER,
        made=lambda wildcards: UPSTREAM.page([MADE, FIGURE_FILES]),
        code=code_hash("scripts/report.py"),
        templates=content_hash("indoubt/report/templates/*", "indoubt/report/assets/*"),
    shell:
        'python "$DOUBT_SCRIPTS/report.py" --tables {params.tables} --figures {params.figures} --output {output}'
        " --provenance {input.made[0]} --config {input.made[1]} --expected {input.made[2]} {params.task_folder} 2> {log}"
