"""Two results folders compared."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from doubt.data.task import load_tasks
from doubt.errors import UserError
from doubt.measures.classify import predictions
from doubt.report.comparison import compare_results, tables_of
from doubt.tables.tables import build_tables, write_tables
from tests.shared.made_up import Row, code, decode, follow
from tests.shared.workspace import ROOT

TASKS = load_tasks()
COUNT = TASKS["count-or-mem"]
SCRIPT = ROOT / "scripts/compare.py"


def rows(factor: float = 1.0, seeds: range = range(1, 9), rule: str = "mem", **changes: Any) -> list[Row]:
    found = [r for s in seeds for c, b in (("count", 20.0), ("mem", 3.0)) for r in code(COUNT, 10, c, "lstm", s, b + s)]
    for row in found:
        row["nats"] *= factor if row["dataset"] == "count" else 1
    decoded = [decode(seed=s, outputs=follow(COUNT, 10, rule)) for s in seeds]
    return [row | changes for row in found + decoded]


def folder(path: Path, made: list[Row]) -> Path:
    scores, decodes = ([r for r in made if r["kind"] == k] for k in ("score", "decode"))
    write_tables(build_tables(scores, decodes, predictions(COUNT, 10, decodes), TASKS), path / "tables")
    return path


def compared(tmp_path: Path, a: list[Row], b: list[Row]) -> dict[str, dict[str, Any]]:
    first, second = folder(tmp_path / "a", a), folder(tmp_path / "b", b)
    changes, _ = compare_results(first / "tables", second / "tables")
    records: list[dict[Any, Any]] = changes.to_dict("records")
    return {str(row["candidate"]) or "classes": row for row in records}


def test_equal_results(tmp_path: Path) -> None:
    found = compared(tmp_path, rows(), rows())
    assert {row["state"] for row in found.values()} == {"equal"}


def test_a_change_beyond_seed_noise(tmp_path: Path) -> None:
    found = compared(tmp_path, rows(), rows(factor=1.5, rule="count"))
    assert found["count"]["state"] == "beyond seed noise" and found["mem"]["state"] == "equal"
    assert found["count"]["change"] == pytest.approx(0.5 * 24.5) and found["count"]["n_equal"] == 0
    assert found["classes"]["state"] == "beyond seed noise" and found["classes"]["change"] == 1


def test_a_change_within_seed_noise(tmp_path: Path) -> None:
    other = rows()
    for row in other:
        if row["kind"] == "score":
            row["nats"] *= 1 + 0.01 * (-1) ** row["seed"]
    found = compared(tmp_path, rows(), other)
    assert found["count"]["state"] == "within seed noise" and found["count"]["n_common"] == 8


def test_other_seeds_and_missing_cells(tmp_path: Path) -> None:
    later = [r for r in rows(seeds=range(11, 19)) if r["kind"] == "decode" or r["dataset"] == "mem"]
    found = compared(tmp_path, rows(), later)
    assert found["count"]["state"] == "only in A"
    assert found["mem"]["method"] == "Mann-Whitney U" and found["mem"]["n_common"] == 0
    assert found["classes"]["state"] == "within seed noise"


def test_one_seed_tells_nothing(tmp_path: Path) -> None:
    found = compared(tmp_path, rows(seeds=range(1, 2)), rows(1.5, range(1, 2)))
    assert found["count"]["state"] == "too few seeds to tell"


def test_empty_results(tmp_path: Path) -> None:
    assert compared(tmp_path, [], []) == {}


def test_the_command_line_and_archives(tmp_path: Path) -> None:
    a, b = folder(tmp_path / "a", rows()), folder(tmp_path / "b", rows(1.5, engine="another"))
    with tarfile.open(tmp_path / "b.tar.gz", "w:gz") as archive:
        archive.add(b, "results")
    command = [sys.executable, str(SCRIPT), str(a), str(tmp_path / "b.tar.gz"), "--csv", str(tmp_path / "x.csv")]
    done = subprocess.run([*command, "--strict"], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "count-or-mem/10/lstm/count" in done.stdout and "1 beyond seed noise" in done.stdout
    assert "engine: made-up in A, another in B" in done.stdout
    assert (tmp_path / "x.csv").read_text().startswith("measure,task")


@pytest.mark.parametrize(
    ("name", "said"), [("none", "does not exist"), ("text", "neither"), ("empty", "holds no tables")]
)
def test_what_is_no_results(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "text").write_text("no archive")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=said), tables_of(tmp_path / name):
        pass
