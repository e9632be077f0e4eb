"""A name is one learner: in the configuration, in presets, in `measure` and in the findings."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from indoubt.notebook.arguments import definition_of
from indoubt.workflow.named_learners import named_learners
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
