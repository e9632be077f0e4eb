"""Modules that would give wrong numbers are refused before anything is trained, each with one sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from indoubt.errors import UserError
from indoubt.learners.module_definitions import ResolvedModule, kind_of, resolve_module
from indoubt.training import Protocol
from indoubt.workflow.config_checks import read_config
from tests.shared.workspace import ROOT

#: A good learner, whose parts the cases below replace.
GOOD = {
    "imports": "",
    "init": "self.drop = nn.Dropout(dropout)",
    "read": "(self.source(source) * source_mask[..., None]).sum(1) / source_mask.sum(1, keepdim=True)",
    "said": "self.target(previous).cumsum(1)",
    "out": "self.out(self.drop(said + read[:, None]))",
    "forward": "source, source_mask, previous",
}
TEMPLATE = """
import torch
import torch.nn.functional as F
from torch import nn
{imports}

class Mine(nn.Module):
    def __init__(self, source_symbols, target_symbols, width=16, dropout=0.1):
        super().__init__()
        self.source, self.target = nn.Embedding(source_symbols, width), nn.Embedding(target_symbols, width)
        self.out = nn.Linear(width, target_symbols)
        {init}

    def forward(self, {forward}):
        read = {read}
        said = {said}
        return {out}
"""


def written(folder: Path, **parts: str) -> str:
    """The path of a file with a learner, some of whose parts are other ones."""
    path = folder / "mine.py"
    path.write_text(TEMPLATE.format(**GOOD | parts))
    return str(path)


def resolved(definition: dict[str, Any], longest: tuple[int, int] = (12, 22), **protocol: Any) -> ResolvedModule:
    return resolve_module(definition, 10, None, Protocol(**protocol), None, longest)


def complaint(definition: dict[str, Any], **options: Any) -> str:
    with pytest.raises(UserError) as error:
        resolved(definition, **options)
    message = str(error.value)
    assert "\n" not in message and "Traceback" not in message
    return message


RAISE = """
def raise_(error):
    raise error
"""
FAULTS: dict[str, tuple[dict[str, str], str]] = {
    "does not run": (
        {"said": "self.out(self.target(previous)[..., :3])"},
        "cannot be multiplied (15x3 and 16x8) (mine.py",
    ),
    "one symbol": (
        {"out": "self.out(said + read[:, None])[:, :1]"},
        "gave logits of shape (3, 1, 8); (batch, target time, symbols) is (3, 5, 8)",
    ),
    "a tuple": ({"out": "(self.out(said), said)"}, "gave a tuple; its forward must give a tensor of logits"),
    "half precision": ({"out": "self.out(said).half()"}, "gave logits of torch.float16; they must be of torch.float32"),
    "no numbers": (
        {"init": "self.drop, self.none = nn.Dropout(dropout), nn.Parameter(torch.zeros(0))"},
        "has a weight without a number in it (none); give sizes of 1 or more",
    ),
    "leaves while it runs": ({"out": "raise_(SystemExit(3))", "imports": RAISE}, "examples: SystemExit: 3 (mine.py"),
    "leaves while it is built": ({"init": "raise SystemExit(3)"}, "cannot be built: SystemExit: 3 (mine.py"),
    "not finite": ({"out": "self.out(said) / 0 * 0"}, "not finite before training"),
    "noise in eval": ({"out": "self.out(said + torch.randn_like(said))"}, "eval mode, but two passes differ"),
    "sees ahead": (
        {"said": "self.target(previous).sum(1, keepdim=True).expand(-1, previous.size(1), -1)"},
        "change with a later symbol of the target",
    ),
    "ignores the mask": (
        {"read": "self.source(source).mean(1)"},
        "with other examples or padding beside it; mask the padding",
    ),
    "mixes examples": (
        {"out": "self.out(said - said.mean(0, keepdim=True))"},
        "with other examples or padding beside it",
    ),
    "batch norm": (
        {"init": "self.drop = nn.BatchNorm1d(width)", "out": "self.out(self.drop(said.mT).mT + read[:, None])"},
        "has a buffer (drop.running_mean) that changes in training",
    ),
    "nothing to train": ({"out": "torch.zeros(*previous.shape, 8)"}, "has no weight that its logits depend on"),
    "too short a table": (
        {
            "init": "self.drop, self.places = nn.Dropout(dropout), nn.Embedding(100, width)",
            "said": "self.target(previous) + self.places(torch.arange(previous.size(1)))",
        },
        "an output of 200: IndexError: index out of range",
    ),
    "asks for a GPU": ({"out": "self.out(said.cuda())"}, "leave the device to doubt"),
    "starts on a GPU": ({"init": "self.drop = nn.Linear(width, width, device='cuda')"}, "leave the device to doubt"),
    "a large constant": (
        {"init": "self.drop = nn.Dropout(dropout); self.register_buffer('table', torch.zeros(60_000, 60_000))"},
        "would have 3,600,000,000 numbers in buffers, more than 50,000,000; give smaller sizes",
    ),
    "numpy's chance": (
        {"imports": "import numpy as np", "out": "self.out(said + (np.random.rand() if self.training else 0))"},
        "numpy's random numbers",
    ),
    "cannot be imported": (
        {"imports": "import nothing_like_this"},
        "cannot be imported: ModuleNotFoundError: No module named 'nothing_like_this' (mine.py:5)",
    ),
    "leaves on import": ({"imports": "raise SystemExit(0)"}, "cannot be imported: SystemExit"),
    "other names": (
        {"forward": "x, source_mask, previous"},
        "it defines 0: Mine.forward takes (x, source_mask, previous)",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_module_is_refused_in_one_sentence(fault: str, tmp_path: Path) -> None:
    parts, words = FAULTS[fault]
    if fault.endswith("a GPU") and torch.cuda.is_available():
        pytest.skip("there is a GPU, so it gets one")
    message = complaint({"module": written(tmp_path, **parts)})
    assert words in message and "mine.py" in message


DEFINITIONS: list[tuple[dict[str, Any], str]] = [
    ({"module": "no/such.py"}, "module 'no/such.py' does not exist"),
    ({"module": "mambo"}, "no learner 'mambo' in learners; did you mean 'mamba'?"),
    ({"module": "mamba", "widht": 8}, "class Mamba has no argument 'widht'; did you mean 'width'?"),
    ({"module": "mamba:Mambo"}, "has no class 'Mambo'"),
    ({"module": "mamba", "lr": "fast"}, "argument 'lr' is 'fast'; it must be a number"),
    ({"module": "mamba", "warmup_updates": [1, 2]}, "argument 'warmup_updates' is [1, 2]; it must be a whole number"),
    ({"module": "mamba", "lr": -1.0}, "argument 'lr' is -1.0; it must be above 0"),
    ({"module": "mamba", "optimizer": "sgd"}, "optimizer 'sgd': engine modules has 'adam' only"),
    ({"module": "mamba", "adam_betas": "(0.9, 1.5)"}, "adam_betas"),
    ({"module": "transformer", "positions": "rop"}, "did you mean 'rope'?"),
    ({"module": "transformer", "positions": "rope"}, "give heads: 2"),
    ({"module": "transformer", "heads": 3}, "width 16 cannot be divided among 3 heads"),
    ({"module": "decoder_only", "positions": "learned", "longest": 50}, "longest: 50 positions are learned"),
    ({"module": "recurrent", "cell": "lstn"}, "cell 'lstn' is none of gru, rnn, lstm"),
    # 4 maps of 80,000 to 80,000, two to and from 512, two tables of 16 symbols, 5 biases and two normalisations
    ({"module": "decoder_only", "width": 80_000}, "would have 25,685,200,512 weights, more than 50,000,000; give"),
]


@pytest.mark.parametrize(("definition", "words"), DEFINITIONS)
def test_a_wrong_definition_is_refused(definition: dict[str, Any], words: str) -> None:
    assert words in complaint(definition)


def test_a_definition_is_of_one_kind() -> None:
    for definition in ({}, {"module": "mamba", "arch": "lstm"}, {"width": 16}):
        with pytest.raises(UserError, match="exactly one of arch, grid, module, hf"):
            kind_of(definition)
    assert kind_of({"hf": "gpt2"}) == "hf"


def test_released_streams_cannot_be_had() -> None:
    assert "rng_streams 'released'" in complaint({"module": "mamba"}, rng_streams="released", adam_state="carried")


def test_arguments_are_checked_by_the_class(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    forward = "    def forward(self, tokens):\n        return self.out(self.table(tokens))\n"
    head = "from torch import nn\n\nclass Mine(nn.Module):\n    def __init__(self, {}):\n        super().__init__()\n"
    body = "        self.table, self.out = nn.Embedding(symbols, 8), nn.Linear(8, symbols)\n\n"
    cases = {
        "symbols, width": "argument 'width' of class Mine is missing",
        "symbols, lr=1": "argument 'lr' of class Mine has the name of an optimisation argument; rename it",
        "symbols, **rest": "takes **rest; give its constructor arguments with names",
        "source_symbols": "class Mine must take symbols",
        "symbols, kind=nn.GELU()": "argument 'kind' of class Mine is GELU",
    }
    for arguments, words in cases.items():
        path.write_text(head.format(arguments) + body + forward)
        assert words in complaint({"module": str(path)})
    path.write_text(head.format("symbols, width=8") + body + forward)
    good = resolved({"module": str(path), "lr": 2e-3, "updates": 7})
    assert good.learner.arguments["width"] == 8 and good.learner.updates == 7
    assert good.learner.arguments["lr"] == [0.002] and good.learner.arguments["warmup_updates"] == 1000
    two = path.read_text() + "\n\n" + path.read_text().replace("Mine", "Other")
    path.write_text(two)
    assert "it defines 2: Mine, Other; say which" in complaint({"module": str(path)})
    assert resolved({"module": f"{path}:Other"}).learner.arguments["module"] == "mine.Other"


def test_what_users_write_runs_together(tmp_path: Path) -> None:
    for parts in (
        {},
        {"init": "self.drop = nn.GRU(width, width, 2, dropout=0.5, batch_first=True)",
         "out": "self.out(self.drop(said)[0] + read[:, None])"},
        {"init": "self.drop = nn.MultiheadAttention(width, 2, dropout=0.5, batch_first=True)",
         "out": "self.out(self.drop(said, self.source(source), self.source(source), ~source_mask)[0])"},
        {"init": "self.drop = nn.TransformerEncoderLayer(width, 2, 32, 0.3, batch_first=True)",
         "out": "self.out(self.drop(said, torch.ones(said.size(1), said.size(1)).triu(1).bool(), is_causal=True)"
                " + read[:, None])"},
        {"out": "self.out(F.dropout(said, 0.3, self.training) + read[:, None])"},
    ):  # fmt: skip
        assert resolved({"module": written(tmp_path, **parts)}).tried.alone is None


def test_what_cannot_run_together_is_said_why(tmp_path: Path) -> None:
    in_place = {
        "said": "torch.zeros(*previous.shape, 16).index_add_(0, torch.arange(len(previous)), self.target(previous))"
    }
    branches = {"out": "self.out(said + read[:, None]) * (2 if said.sum().item() > 1e9 else 1)"}
    for parts, words in (
        (in_place, "torch.func.vmap"),
        (branches, "torch.func.vmap: vmap: It looks like you're calling"),
    ):
        assert words in str(resolved({"module": written(tmp_path, **parts)}).tried.alone)
    noisy = resolved({"module": str(ROOT / "tests/shared/learners/noisy.py")})
    assert noisy.tried.alone == "it draws random numbers other than dropout's"
    assert noisy.learner.arguments["together"] is False
    by_name = {
        "imports": "from torch.nn.functional import dropout as drop",
        "out": "self.out(drop(said, 0.3, self.training))",
    }
    assert resolved({"module": written(tmp_path, **by_name)}).tried.alone == noisy.tried.alone


def test_unused_weights_are_noted(tmp_path: Path) -> None:
    idle = {"init": "self.drop, self.idle = nn.Dropout(dropout), nn.Linear(2, 2)"}
    (note,) = resolved({"module": written(tmp_path, **idle)}).tried.notes
    assert "idle.weight" in note


def test_a_file_may_import_what_lies_beside_it(tmp_path: Path) -> None:
    for name, width in (("one", 8), ("other", 24)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "sizes.py").write_text(f"WIDTH = {width}\n")
        file = written(folder, imports="from sizes import WIDTH", init="self.drop = nn.Dropout(WIDTH / 100)")
        found = resolved({"module": file})
        assert found.learner.file == file
    assert "sizes" not in sys.modules


def test_what_prints_spoils_no_answer(tmp_path: Path) -> None:
    file = written(tmp_path, imports="print('hello')", init="print('made'); self.drop = nn.Dropout(dropout)")
    request = {"learners": {"mine": {"module": file}}, "updates": 1, "batch_size": None, "protocol": {}}
    request |= {"learner_folder": None, "longest": {"mine": [5, 5]}, "cells": {"mine": []}}
    command = [sys.executable, "-m", "indoubt.learners.resolution"]
    done = subprocess.run(command, input=json.dumps(request), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["mine"]["tried"]["alone"] is None
    assert done.stderr.count("hello") == 1


def test_learners_of_a_folder_are_named_by_their_stems(tmp_path: Path) -> None:
    written(tmp_path)
    found = resolve_module({"module": "mine", "width": 8}, 10, None, Protocol(), str(tmp_path), (5, 5))
    assert found.learner.file == str(tmp_path / "mine.py") and found.learner.arguments["width"] == 8
    with pytest.raises(UserError, match="did you mean 'mine'"):
        resolve_module({"module": "mines"}, 10, None, Protocol(), str(tmp_path), (5, 5))
    experiment = {"task": "add-or-mul", "learners": ["mine"], "seeds": "1"}
    config = {"learners": {"mine": {"module": "mine"}}, "experiments": [experiment], "learner_folder": "no/such"}
    with pytest.raises(UserError, match="learner_folder: folder 'no/such' does not exist"):
        read_config(config)
