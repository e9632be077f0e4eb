"""A grid file, a configuration, an archive and a command line of somebody else's: refused before anything runs."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from indoubt.data.binary import load_dataset
from indoubt.data.task import load_tasks
from indoubt.engines.checkpoints import FORMAT as CHECKPOINT
from indoubt.learner import Learner
from indoubt.workflow.archive import FORMAT
from indoubt.workflow.cost import batch_of, work_of
from tests.shared.workspace import EXPERIMENT, ROOT, SMALL, Workspace, indoubt

#: Climbs from a tuple to a class that knows `os`, without any of Python's builtins.
CLIMBER = "[c for c in ().__class__.__base__.__subclasses__() if c.__name__ == '_wrap_close'][0]"
CLIMBER += ".__init__.__globals__['system']('touch RAN')"
CNN = {"arch": "fconv", "optimizer": "adam"}


def hostile(argument: str = "encoder_layers") -> dict[str, Any]:
    learners = {"theirs": CNN | {argument: CLIMBER}}
    return SMALL | {"learners": learners, "experiments": [EXPERIMENT | {"seeds": 1, "learners": ["theirs"]}]}


def script(name: str, *words: str, folder: Path) -> str:
    """What a command says as it refuses."""
    done = subprocess.run(indoubt(name, *words), cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert not (folder / "RAN").exists()
    return done.stderr


def test_a_dry_run_of_a_grid_file(tmp_path: Path) -> None:
    grid = {key: [value] for key, value in CNN.items()} | {"encoder-layers": ["[(32, 3)]", CLIMBER]}
    workspace = Workspace(tmp_path / "it", hostile() | {"learners": {"theirs": {"grid": "grid.json"}}})
    workspace.code = ROOT
    (workspace.here / "grid.json").write_text(json.dumps(grid))
    workspace.run("-n", succeeds=False)
    assert "argument 'encoder_layers' is \"[c for c in" in workspace.output()
    assert not (workspace.here / "RAN").exists()


@pytest.mark.parametrize("argument", ["decoder_layers", "adam_betas", "lr"])
def test_whoever_reads_a_configuration(argument: str, tmp_path: Path) -> None:
    (tmp_path / "their.yaml").write_text(yaml.safe_dump(hostile(argument)))
    assert argument.replace("_", "-") in script("status", "--configfile", "their.yaml", folder=tmp_path).replace(
        "_", "-"
    )


def test_an_archive_whose_configuration_holds_it(tmp_path: Path) -> None:
    config = yaml.safe_dump(hostile()).encode()
    manifest = {"format": FORMAT, "codes": [], "measured_by": {}, "made": 0, "host": "theirs"}
    manifest |= {"sha256": {"config.yaml": hashlib.sha256(config).hexdigest()}}
    with tarfile.open(tmp_path / "their.tar.gz", "w:gz") as tar:
        for name, data in {"manifest.json": json.dumps(manifest).encode(), "config.yaml": config}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    said = script("archive", "rebuild", "their.tar.gz", "--results", "rebuilt", folder=tmp_path)
    assert "argument 'encoder_layers'" in said


@pytest.mark.parametrize(
    "words",
    [[f"--encoder-layers={CLIMBER}"], ["--decoder-lay", CLIMBER], [f"--adam-betas={CLIMBER}"], ["--lr", CLIMBER]],
)
def test_flags(words: list[str], results: Path, tmp_path: Path) -> None:
    data = str(results / "data-bin/add-or-mul/5/fpa")
    given = ["--arch=fconv", "--optimizer=adam", "--mdl-train-examples=1", "--cpu", "--save-dir=models", *words]
    assert "argument" in script("train", data, *given, folder=tmp_path)
    assert not (tmp_path / "models").exists()


def test_a_checkpoint_whose_learner_holds_it(learner_of: Callable[..., Learner], results: Path, tmp_path: Path) -> None:
    learner = learner_of("cnn").to_json()
    learner["arguments"]["encoder_layers"] = CLIMBER
    content = {"format": CHECKPOINT, "learner": json.dumps(learner), "state_dict": {}}
    data = load_dataset(results / "data-bin/add-or-mul/5/fpa")
    for side in ("source", "target"):
        content[f"{side}_symbols"] = list(getattr(data, f"{side}_vocabulary").symbols)
    torch.save(content, tmp_path / "0.pt")
    said = script("decode", str(results / "data-bin/add-or-mul/5/fpa"), "--path=0.pt", folder=tmp_path)
    assert "cannot be built" in said


def test_an_estimate_reads_layers_as_the_cnn_does_and_evaluates_none(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    batch = batch_of(load_tasks()["add-or-mul"], 5)

    def operations(layers: str, arch: str = "fconv") -> float:
        return work_of({"arch": arch, "encoder_layers": layers, "decoder_layers": layers}, batch, True).operations

    assert operations("[(64, 3)] * 2") == operations("[(64, 3), (64, 3)]") > operations("[(64, 3)]")
    assert operations("2", "lightconv") == operations("[(512, 3)] * 2") > operations(CLIMBER, "another")
    assert not (tmp_path / "RAN").exists()
