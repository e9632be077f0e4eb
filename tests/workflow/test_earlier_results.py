"""Results that an earlier version of the code left behind: taken where the numbers are the same, and only there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

import indoubt
from indoubt.workflow import code_hash
from indoubt.workflow.archive import pack
from indoubt.workflow.config_files import content_of
from indoubt.workflow.identity import EARLIER, numbers_of
from indoubt.workflow.plan import Plan
from tests.shared.archives import names, tarred
from tests.shared.workspace import EXPERIMENT, ROOT, SMALL, Workspace

pytestmark = pytest.mark.xdist_group("earlier")
#: Ledgers that earlier code wrote: engine `fairseq` before its modules were put into packages, engine `fused` before it
#: took subnormal numbers for zero. 20 updates on torch 2.13.0.
LEDGER = ROOT / "tests/shared/ledger"
ONE_SEED = SMALL | {"updates": 20, "experiments": [EXPERIMENT | {"seeds": 1}]}
N_TRAININGS = 7


def numbers(workspace: Workspace) -> list[Any]:
    return [(row.get("block"), row.get("dataset"), row.get("nats"), row.get("outputs")) for row in workspace.rows()]


@pytest.mark.parametrize("engine", ["fairseq", "fused"])
def test_earlier_results_are_taken_and_are_what_training_gives(engine: str, tmp_path: Path) -> None:
    earlier = [code for code in EARLIER.get(numbers_of(engine).name, ()) if (LEDGER / code).exists()]
    if not earlier:
        pytest.skip(f"engine {engine} takes no results of earlier code")
    taking, training = (Workspace(tmp_path / name, ONE_SEED | {"engine": engine}) for name in ("taking", "training"))
    for code in earlier:
        shutil.copytree(LEDGER / code, taking.here / "results/ledger" / code)
    for workspace in (taking, training):
        workspace.run("results/runs/hierar-or-linear/4/transformer.jsonl")
    assert len(taking.records()) == len(training.records()) == N_TRAININGS
    for taken, trained in zip(numbers(taking), numbers(training), strict=True):
        assert taken[:2] == trained[:2] and taken[3] == trained[3]
        assert taken[2] == (None if trained[2] is None else pytest.approx(trained[2], rel=1e-5))


def rows_of(results: Path, learner: str) -> dict[str, dict[str, Any]]:
    """The outputs, in a folder's ledger, of a learner trained on T of hierar-or-linear, by training."""
    rows = [json.loads(line) for path in results.glob("ledger/*/*/*.jsonl") for line in path.open()]
    here = ("hierar-or-linear", learner, 0)
    found = [row for row in rows if tuple(row["note"][key] for key in ("task", "learner", "block")) == here]
    return {row["key"]: row["outputs"] for row in found if row["outputs"]}


@pytest.mark.long
@pytest.mark.parametrize("learner", ["decoder-nope", "transformer-rope", "gru-64", "mamba", "s4d", "hf-t5"])
def test_what_earlier_code_of_engine_modules_measured_is_what_training_gives(learner: str, tmp_path: Path) -> None:
    """One learner of each file. Bits are those of a kind of CPU; rounding tips a symbol here and there."""
    rebuilt = tmp_path / "archive"
    shutil.unpack_archive(ROOT / "docs/findings/atlas.tar.gz", rebuilt, filter="data")
    taken = rows_of(rebuilt, learner)
    definition = yaml.safe_load((ROOT / "config.yaml").read_text())["learners"][learner]
    options: dict[str, Any] = {
        "size": 4,
        "name": learner,
        "ledger": tmp_path / "ledger",
        "progress": False,
        "device": "cpu",
    }
    indoubt.measure("hierar-or-linear", definition, range(1, 9), ("fpa",), **options)
    trained = rows_of(tmp_path, learner)
    assert len(trained) == 8 and trained.keys() <= taken.keys()
    asked = [(key, each) for key in trained for each in trained[key]]
    pairs = [pair for key, each in asked for pair in zip(trained[key][each], taken[key][each], strict=True)]
    assert len(pairs) == 8 * 20 and sum(one == other for one, other in pairs) >= 0.95 * len(pairs)


def test_an_archive_files_what_earlier_code_measured_under_the_code_whose_numbers_they_are(tmp_path: Path) -> None:
    today = numbers_of("fairseq").name
    earlier = next(code for code in EARLIER[today] if (LEDGER / code).exists())
    shutil.copytree(LEDGER / earlier, tmp_path / "results/ledger" / earlier)
    (tmp_path / "our.yaml").write_text(yaml.safe_dump(ONE_SEED | {"engine": "fairseq"}))
    content = content_of([str(tmp_path / "our.yaml")], [])
    plan = Plan(content, tmp_path / "cache")
    assert pack(content, plan, tmp_path / "results", tmp_path / "it.tar.gz")
    archive = (tmp_path / "it.tar.gz").read_bytes()
    manifest = json.loads(tarred(archive, "manifest.json"))
    codes = {name.split("/")[1] for name in names(archive) if name.startswith("ledger/")}
    assert codes == {today} == set(manifest["codes"]) == set(manifest["measured_by"].values())


def test_results_of_other_code_are_not_taken(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "it", ONE_SEED)
    for ledger in LEDGER.iterdir():
        shutil.copytree(ledger, workspace.here / "results/ledger" / ledger.name)
    path = workspace.code / "indoubt/engines/backend.py"
    path.write_text(path.read_text().replace("CHECK_EVERY = 100", "CHECK_EVERY = 101"))
    before = len(workspace.records())
    workspace.run("results/runs/hierar-or-linear/4/transformer.jsonl")
    assert len(workspace.records()) == before + N_TRAININGS


def test_hashes_know_code_by_what_it_computes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_hash, "ROOT", tmp_path)
    monkeypatch.setattr(code_hash, "PACKAGE", tmp_path / "indoubt")
    (tmp_path / "indoubt/deep").mkdir(parents=True)

    def hash_of(files: dict[str, str]) -> str:
        for old in tmp_path.rglob("*.py"):
            old.unlink()
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        code_hash.file_hash.cache_clear()
        return code_hash.code_hash("main.py")

    first = hash_of({"main.py": "from indoubt.a import f\nf()", "indoubt/a.py": "def f(): return 1"})
    moved = {"main.py": "from indoubt.deep.b import f\nf()", "indoubt/deep/b.py": "def f():\n    # one\n    return 1"}
    assert hash_of(moved) == first
    assert hash_of({"main.py": "from indoubt.a import f\nf()", "indoubt/a.py": "def f(): return 2"}) != first
    two = {"indoubt/a.py": "def f(): return 1\ndef g(): return 1"}
    of_f, of_g = (hash_of(two | {"main.py": f"from indoubt.a import {name} as f\nf()"}) for name in "fg")
    assert of_f != of_g
    whole = {"main.py": "from indoubt import a\na.f()", "indoubt/a.py": "def f(): return 1"}
    assert hash_of(whole) != hash_of(whole | {"indoubt/a.py": "def f(): return 3"})
    swapped = {"indoubt/a.py": "def f(): return 1", "indoubt/b.py": "def f(): return 2"}
    calls = "from indoubt.a import f as one\nfrom indoubt.b import f as two\none() - two()"
    assert hash_of(swapped | {"main.py": calls}) != hash_of(
        swapped | {"main.py": calls.replace("one\n", "two\n", 1).replace("two\none()", "one\none()")}
    )
    code_hash.file_hash.cache_clear()
