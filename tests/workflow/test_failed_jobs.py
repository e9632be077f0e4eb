"""What is said of jobs that failed, out of Snakemake's account of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from indoubt.workflow.progress import failed_jobs, in_lines

ROWS = "results/runs/add-or-mul/5/cnn/seeds-1-4/blocks-0-3.jsonl"


def account(log: Path, how: str, output: str = ROWS, script: str = "trainings") -> str:
    """As Snakemake prints it."""
    return (
        'RuleException:\nCalledProcessError in file "rules/train.smk", line 30:\n'
        f"Command 'set -euo pipefail;  python \"$DOUBT_SCRIPTS/{script}.py\" --job '{{}}' --output {output} "
        f"2> {log}' {how}.\nExiting because a job execution failed.\n"
    )


@pytest.mark.parametrize(
    ("text", "how", "why"),
    [
        ("2 to do\nerror: cannot write x\n", "returned non-zero exit status 1", "error: cannot write x"),
        ("Traceback:\n  File x\ntorch.OutOfMemoryError: CUDA\n\n", "returned non-zero exit status 1", "torch.OutOfMem"),
        ("2 to do\n", "returned non-zero exit status 137", "it was killed (SIGKILL), perhaps because memory ran out"),
        ("2 to do\n", "died with <Signals.SIGKILL: 9>", "it was killed (SIGKILL), perhaps because memory ran out"),
        ("2 to do\n", "returned non-zero exit status 139", "it was killed by SIGSEGV after: 2 to do"),
        ("2 to do\n", "returned non-zero exit status 3", "2 to do"),
        ("", "returned non-zero exit status 3", "it said nothing"),
        (None, "returned non-zero exit status 127", "it said nothing"),
    ],
)
def test_why_a_job_failed(tmp_path: Path, text: str | None, how: str, why: str) -> None:
    log = tmp_path / "job.log"
    if text is not None:
        log.write_text(text, encoding="utf-8")
    (failed,) = failed_jobs(account(log, how) * 2)
    assert failed.what == "training add-or-mul/5/cnn, seeds 1-4, blocks 0-3" and failed.log == log
    assert failed.why.startswith(why)


def test_many_are_counted(tmp_path: Path) -> None:
    said = "".join(account(tmp_path, "returned non-zero exit status 1", f"out-{n}", "figures") for n in range(7))
    lines = in_lines(failed_jobs(said)).splitlines()
    assert lines[0] == "  figures (out-0)" and lines[-1] == "  and 2 more" and len(lines) == 5 * 3 + 1


def test_a_run_that_fails_without_a_job_has_none() -> None:
    assert failed_jobs("WorkflowError:\nsomething else\n") == []
