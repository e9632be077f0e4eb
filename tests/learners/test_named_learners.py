"""A name is one learner: in the configuration, in presets, in `measure` and in the findings."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from indoubt.command import learners as listing
from indoubt.data.task import load_tasks
from indoubt.notebook.arguments import definition_of
from indoubt.workflow.cost import batch_of, decoding_seconds, update_seconds
from indoubt.workflow.named_learners import definition_hash, named_costs, named_learners
from tests.shared.workspace import ROOT

PRESETS = sorted((ROOT / "presets").glob("*.yaml"))
ARCHIVES = sorted((ROOT / "docs/findings").glob("*.tar.gz"))


def learners_of(content: dict[str, Any]) -> dict[str, Any]:
    return dict(content.get("learners") or {})


def test_no_preset_defines_a_name_again() -> None:
    known = dict(named_learners())
    for path in PRESETS:
        own = learners_of(yaml.safe_load(path.read_text(encoding="utf-8")))
        again = {name for name in own if name in known and known[name] != own[name]}
        assert not again and not set(own) & set(named_learners()), path.name
        known |= own


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.stem)
def test_the_findings_learners_are_those_of_today(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        file = tar.extractfile("config.yaml")
        assert file is not None
        content = yaml.safe_load(file.read())
    measured = {name for experiment in content["experiments"] for name in experiment["learners"]}
    assert {name: content["learners"][name] for name in measured & set(named_learners())} == {
        name: definition_of(name, None)[0] for name in measured & set(named_learners())
    }
    others = measured - set(named_learners())  # a study's own, and not what ships under another definition
    presets = [learners_of(yaml.safe_load(path.read_text(encoding="utf-8"))) for path in PRESETS]
    assert all(any(preset.get(name) == content["learners"][name] for preset in presets) for name in others)


def test_a_dropout_that_is_not_the_papers_stands_in_the_name() -> None:
    known = named_learners()
    assert known["transformer"]["dropout"] == 0.5 and known["transformer-dropout-0.1"]["dropout"] == 0.1
    for name, definition in known.items():
        if "-dropout-" in name:
            assert str(definition["dropout"]) == name.rpartition("-")[2]
    assert known["transformer-0.1"] == known["transformer-dropout-0.1"]


def test_what_a_seed_costs_is_of_the_definitions_of_today() -> None:
    costs, task = named_costs(), load_tasks()["add-or-mul"]
    hashes = {name: definition_hash(definition) for name, definition in named_learners().items()}
    assert {name: cost["definition"] for name, cost in costs.items()} == hashes, "python benchmarks/named_learners.py"
    assert all(0 < cost["fpa"] < cost["both"] for cost in costs.values())
    for name in ("cnn", "lstm", "transformer"):
        seconds = 3000 * update_seconds(named_learners()[name], batch_of(task, 5), "fused")
        assert costs[name]["fpa"] == pytest.approx(seconds + decoding_seconds(task, 5, "fused"), rel=0.05)


def test_learners_are_listed_with_what_a_seed_costs(capsys: pytest.CaptureFixture[str]) -> None:
    listing.main([])
    said = capsys.readouterr().out
    assert said.startswith("Cost: seconds on one CPU core for one seed of add-or-mul/5")
    rows = {line.split()[0]: line.split()[1:4] for line in said.splitlines() if line[:1].strip()}
    assert rows["learner"] == ["FPA", "both", "definition"]
    assert rows["cnn"] == ["23", "660", "fconv,"] and rows["s4d"][2] == "module"
    assert set(named_learners()) <= set(rows)
