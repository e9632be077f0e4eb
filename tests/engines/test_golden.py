"""Engines give the numbers that they declare, and sources that were not held to them file results apart."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from indoubt.engines.registry import ENGINES
from indoubt.learner import FairseqLearner, ModuleLearner
from indoubt.workflow import code_hash, identity
from indoubt.workflow.identity import identity as name_of
from indoubt.workflow.identity import numbers_of, same_numbers
from tests.shared import golden
from tests.shared.workspace import ROOT

HASH = "0123456789abcdef"


def of_file(path: Path | str) -> ModuleLearner:
    return ModuleLearner({"module": "any.Any"}, file=str(path))


@pytest.mark.parametrize("engine", ENGINES)
def test_golden_trainings_give_what_they_always_gave(engine: str) -> None:
    recorded = golden.recorded(engine)
    assert recorded["version"] == numbers_of(engine).version
    assert golden.differences(recorded, golden.measured(engine)) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_todays_sources_are_recorded(engine: str) -> None:
    """After an edit of an engine: `make golden` compares the numbers and records the sources, or says what moved."""
    assert numbers_of(engine).recorded and identity.notice(engine) is None


@pytest.mark.parametrize("file", sorted((ROOT / "learners").glob("*.py")), ids=lambda file: file.stem)
def test_todays_built_in_learners_are_recorded(file: Path) -> None:
    recorded = identity.learners_recorded()[file.stem]
    assert code_hash.own_code(identity.MODULES_THEN, file) in recorded, "make golden"
    assert name_of("modules", of_file(file)) == f"modules-{numbers_of('modules').version}-{recorded[0]}"


def test_a_built_in_learner_that_is_edited_files_its_results_apart(tmp_path: Path) -> None:
    edited = tmp_path / "mamba.py"
    edited.write_text((ROOT / "learners/mamba.py").read_text() + "\nEDITED = 1\n")
    own = code_hash.own_code(identity.MODULES_THEN, edited)
    assert identity._of_built_in(ROOT / "learners/mamba.py", own) == own
    assert name_of("modules", of_file(edited)) not in {name_of("modules", of_file("learners/mamba.py"))}


def test_a_number_that_moved_is_named() -> None:
    before = golden.recorded("fairseq")
    name = sorted(before["numbers"])[0]
    now = copy.deepcopy(before["numbers"])
    assert golden.differences(before, now) == []
    now[name]["nats"][0] *= 1 + 1e-4
    (said,) = golden.differences(before, now)
    assert said.startswith(name) and "off by 0.0001" in said
    elsewhere = before | {"made_on": {"cpu": "another"}}
    now[name]["nats"][0] = before["numbers"][name]["nats"][0] * (1 + 1e-7)
    assert golden.differences(elsewhere, now) == []
    here = before | {"made_on": golden.kind_of_cpu()}
    assert len(golden.differences(here, now)) == 1
    del now[name]
    assert "is no golden training any more" in golden.differences(elsewhere, now)[0]


def test_edited_sources_file_their_results_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declared: dict[str, Any] = {engine: {"version": 3, "sources": [HASH]} for engine in ENGINES}
    declared["learners"] = {}
    (tmp_path / "numbers.json").write_text(json.dumps(declared))
    monkeypatch.setattr(identity, "NUMBERS", tmp_path / "numbers.json")
    name = name_of("fused", FairseqLearner({}))
    assert name == f"fused-3-edited-{identity.sources_hash('fused')}"
    assert same_numbers(name) == (name,)  # nothing else is taken for its results
    own = name_of("modules", of_file("learners/mamba.py"))
    assert own.startswith(f"modules-3-edited-{identity.sources_hash('modules')}-")
    identity.notice.cache_clear()
    assert "make golden" in str(identity.notice("fused"))
    identity.notice.cache_clear()


def test_names_of_earlier_ledgers_are_found() -> None:
    assert "43a2fa2a36f24bbd" in same_numbers("fused-1")
    assert same_numbers(f"modules-1-{HASH}") == (f"modules-1-{HASH}", HASH)  # a module of a user's
    (*_, of_notebook) = same_numbers(f"modules-1-{HASH}-f2913fbdf62503b0")  # a notebook's class, with its values
    assert of_notebook == f"f2913fbdf62503b1-{HASH}"
    assert same_numbers(HASH) == (HASH,)
    assert "e400e0c2e66af438" in same_numbers(name_of("modules", of_file("learners/decoder_only.py")))
