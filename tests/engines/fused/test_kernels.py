"""The C code against torch's operations: sizes, layouts, both precisions, and what happens without a compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from side_by_side import difference
from torch import Tensor

from indoubt.engines.fused import kernels
from indoubt.engines.fused.dropout import DropoutMasks, Site
from indoubt.engines.registry import ENGINES
from indoubt.workflow import code_hash
from indoubt.workflow.identity import sources_hash
from tests.shared.workspace import ROOT

TYPES = {torch.float32: 1e-6, torch.float64: 1e-14}
BETAS, EPS = (0.9, 0.999), 1e-8

pytestmark = pytest.mark.skipif(not kernels.there_are(torch.ones(1)), reason="there is no C compiler")


@pytest.fixture(params=TYPES, ids=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    torch.manual_seed(1)
    return request.param


def normal(*shape: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 6, 7, 11, 14, 257])
@pytest.mark.parametrize(("inputs", "outputs"), [(16, 16), (40, 33), (300, 70), (5, 3), (1, 1)])
def test_products(rows: int, inputs: int, outputs: int, dtype: torch.dtype) -> None:
    x = normal(rows, inputs + 3, dtype=dtype)[:, :inputs]  # rows further apart than they are long
    w, bias = normal(outputs, inputs, dtype=dtype), normal(outputs, dtype=dtype)
    room = torch.full((rows, outputs + 2), 7.0, dtype=dtype)
    out = room[:, 1:-1]
    kernels.bound_product(x, w.mT, out, bias)()
    assert difference(out, x @ w.mT + bias) < TYPES[dtype]
    kernels.bound_product(x, w.mT, out)()
    assert difference(out, x @ w.mT) < TYPES[dtype]
    kernels.bound_product(x, w.mT.contiguous(), out)()
    assert difference(out, x @ w.mT) < TYPES[dtype]
    assert bool((room[:, 0] == 7).all()) and bool((room[:, -1] == 7).all()), "wrote beside its result"


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (5, 70), (33, 16), (40, 41)])
def test_transpose(rows: int, columns: int, dtype: torch.dtype) -> None:
    x = normal(rows, columns + 3, dtype=dtype)[:, :columns]
    assert torch.equal(kernels.transposed(x), x.mT)


@pytest.mark.parametrize(("rows", "outputs", "inputs"), [(1, 4, 16), (3, 9, 70), (5, 7, 150), (40, 6, 33), (2, 1, 5)])
@pytest.mark.parametrize("along", [False, True])
def test_adam_along_a_product(rows: int, outputs: int, inputs: int, along: bool, dtype: torch.dtype) -> None:
    left, right = normal(rows, outputs, dtype=dtype), normal(rows, inputs, dtype=dtype)
    parts = normal(inputs, dtype=dtype) if along else None
    weight, first = (normal(outputs, inputs, dtype=dtype) for _ in range(2))
    second = normal(outputs, inputs, dtype=dtype).square()
    states = []
    for backwards in (False, True):
        state = (weight.clone(), first.clone(), second.clone())
        kernels.adam_of_product(left, right, parts, state, 0.5, 1e-2, BETAS, EPS, backwards)
        states.append(state)
    assert all(torch.equal(*pair) for pair in zip(*states, strict=True)), "the direction makes a difference"
    gradient = 0.5 * (left.mT @ right - (parts * weight if parts is not None else 0))
    m = BETAS[0] * first + (1 - BETAS[0]) * gradient
    v = BETAS[1] * second + (1 - BETAS[1]) * gradient**2
    expected = weight - 1e-2 * m / (v.sqrt() + EPS), m, v
    for ours, theirs in zip(states[0], expected, strict=True):
        assert difference(ours, theirs) < TYPES[dtype]


@pytest.mark.parametrize("scale", [1e-4, 1.0, 30.0])
def test_a_step_of_an_lstm(scale: float, dtype: torch.dtype) -> None:
    rows, size = 3, 21
    sums, before = normal(rows, 4 * size, dtype=dtype) * scale, normal(rows, size, dtype=dtype)
    gates = sums.clone()
    after, squashed, hidden = (torch.empty_like(before) for _ in range(3))
    kernels.bound(dtype, "lstm_forward", gates, before, after, squashed, hidden, size, rows, size)()
    leaves = sums.clone().requires_grad_(), before.clone().requires_grad_()
    i, f, g, o = leaves[0].chunk(4, 1)
    cell = torch.sigmoid(f) * leaves[1] + torch.sigmoid(i) * torch.tanh(g)
    state = torch.sigmoid(o) * torch.tanh(cell)
    assert difference(after, cell.detach()) < TYPES[dtype]
    assert difference(hidden, state.detach()) < TYPES[dtype]
    d_hidden, d_cell = normal(rows, size, dtype=dtype), normal(rows, size, dtype=dtype)
    ((state * d_hidden).sum() + (cell * d_cell).sum()).backward()
    d_gates = torch.empty_like(gates)
    kernels.bound(dtype, "lstm_backward", gates, before, squashed, d_hidden, d_cell, d_gates, rows, size)()
    # where gates are all but saturated, 1 - tanh^2 has no more digits than this
    assert difference(d_gates, leaves[0].grad) < 10 * TYPES[dtype]
    assert difference(d_cell, leaves[1].grad) < 10 * TYPES[dtype]


@pytest.mark.parametrize("fed", [-1, 5])
@pytest.mark.parametrize("masked", [False, True])
def test_steps_of_an_lstm(fed: int, masked: bool, dtype: torch.dtype) -> None:
    """Steps of fewer and fewer rows, each fed to the next as in the decoder or not, against torch's gradients."""
    active, size, width = [4, 4, 3, 1], 6, 17
    times, batch = len(active), active[0]
    weight, bias = normal(4 * size, width, dtype=dtype), normal(4 * size, dtype=dtype)
    inputs, cells = normal(times + 1, batch, width, dtype=dtype), normal(times + 1, batch, size, dtype=dtype)
    masks = normal(batch, times, size, dtype=dtype) if masked else None
    d_outputs, d_hidden, d_cell = (normal(*shape, size, dtype=dtype) for shape in ((times, batch), (batch,), (batch,)))
    leaves = [x.clone().requires_grad_() for x in (inputs, weight, bias, cells[0])]
    read, cell, loss, outputs = leaves[0][0], leaves[3], torch.zeros((), dtype=dtype), []
    for t, rows in enumerate(active):
        i, f, g, o = torch.nn.functional.linear(read[:rows], leaves[1], leaves[2]).chunk(4, 1)
        cell = torch.sigmoid(f) * cell[:rows] + torch.sigmoid(i) * torch.tanh(g)
        hidden = torch.sigmoid(o) * torch.tanh(cell)
        outputs.append(hidden)
        ending = slice(active[t + 1] if t + 1 < times else 0, rows)
        loss = loss + (hidden * d_outputs[t, :rows]).sum()
        loss = loss + (hidden[ending] * d_hidden[ending]).sum() + (cell[ending] * d_cell[ending]).sum()
        fresh = leaves[0][t + 1, :rows, : width - size]
        if fed >= 0:
            of_mask = hidden if masks is None else hidden * masks[:rows, t]
            fresh = torch.cat((fresh[:, :fed], of_mask, fresh[:, fed + size :]), 1)
        read = torch.cat((fresh, hidden), 1)
    loss.backward()
    gates, d_gates = (torch.zeros(times, batch, 4 * size, dtype=dtype) for _ in range(2))
    squashed, d_inputs = torch.zeros(times, batch, size, dtype=dtype), torch.zeros(times, batch, width, dtype=dtype)
    tail = torch.tensor(active), masks, times * size, fed, 0, times
    kernels.bound(dtype, "cell_forward", weight, bias, inputs, gates, cells, squashed, *tail, batch, width, size)()
    for t, rows in enumerate(active):
        assert difference(inputs[t + 1, :rows, -size:], outputs[t].detach()) < TYPES[dtype]
    changed = d_hidden, d_cell, d_gates, d_inputs
    sizes = times, batch, width, size
    kernels.bound(dtype, "cell_backward", weight, gates, cells, squashed, *changed, d_outputs, *tail, *sizes)()
    assert difference(d_inputs[0], leaves[0].grad[0]) < 10 * TYPES[dtype]
    assert difference(d_cell, leaves[3].grad) < 10 * TYPES[dtype]
    assert difference(d_gates.sum((0, 1)), leaves[2].grad) < 10 * TYPES[dtype]


def test_windows_of_sequences_of_unequal_lengths(dtype: torch.dtype) -> None:
    lengths, channels, width, before = [3, 1, 0, 5], 2, 3, 1
    x, dy = normal(sum(lengths), channels, dtype=dtype), normal(sum(lengths), width, channels, dtype=dtype)
    x.requires_grad_()
    padded = [torch.nn.functional.pad(part, (0, 0, before, width - 1 - before)) for part in x.split(lengths)]
    expected = torch.cat([part.unfold(0, width, 1).mT for part in padded if len(part) >= width])
    expected.backward(dy)
    windows, dx = torch.empty_like(dy), torch.empty_like(x)
    given = torch.tensor(lengths), len(lengths), channels, width, before
    kernels.bound(dtype, "windows", x, given[0], windows, *given[1:])()
    kernels.bound(dtype, "windows_backward", dy, given[0], dx, *given[1:])()
    assert torch.equal(windows, expected) and difference(dx, x.grad) < TYPES[dtype]


def test_gates_saturate_and_pass_nan_on(dtype: torch.dtype) -> None:
    values = torch.tensor([-1e30, -90.0, -1e-30, 0.0, 1e-30, 90.0, torch.inf, torch.nan], dtype=dtype)
    gates, before = values.repeat(4)[None].clone(), torch.zeros(1, 8, dtype=dtype)
    after, squashed, hidden = (torch.empty_like(before) for _ in range(3))
    kernels.bound(dtype, "lstm_forward", gates, before, after, squashed, hidden, 8, 1, 8)()
    torch.testing.assert_close(gates[0, :8], torch.sigmoid(values), equal_nan=True, rtol=1e-6, atol=1e-27)
    torch.testing.assert_close(gates[0, 16:24], torch.tanh(values), equal_nan=True, rtol=1e-6, atol=0)
    assert bool(hidden[0, -1].isnan()) and not bool(hidden[0, :-1].isnan().any())


def test_masks_are_torchs_to_the_last_bit(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    sites = [Site("in", 7, 9, 0.3), Site("none", 7, 9, 0.0), Site("out", 5, 33, 0.5)]
    masks = DropoutMasks(sites, ["a", "b"], [[0, 1, 2], [2, 0, 1]], torch.device("cpu"), dtype)
    updates = [torch.tensor(update) for update in (0, 1, 2999, 2**40)]
    ours = [masks.draw(update) for update in updates]
    monkeypatch.setattr(kernels, "_library", lambda dtype: None)
    for one, other in zip(ours, [masks.draw(update) for update in updates], strict=True):
        assert one.keys() == other.keys() == {"in", "out"}
        assert all(torch.equal(one[name], other[name]) for name in one)


def run(code: str, cache: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = os.environ | {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(ROOT)} | environment
    command, folder = [sys.executable, "-c", code], variables["PYTHONPATH"]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=True)


@pytest.fixture
def quick_compiler(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A C compiler that leaves the optimisation, and most of the time that it takes, out."""
    compiler = tmp_path_factory.mktemp("compiler") / "quick-cc"
    compiler.write_text('#!/bin/sh\nexec cc "$@" -O0\n')
    compiler.chmod(0o755)
    return str(compiler)


ASK = "import torch; from indoubt.engines.fused import kernels; print(kernels.there_are(torch.ones(1)))"


def test_without_a_compiler_it_says_so_and_goes_on(tmp_path: Path) -> None:
    done = run(ASK, tmp_path, CC="no-such-compiler")
    assert done.stdout == "False\n"
    assert "cannot be compiled" in done.stderr and "no-such-compiler" in done.stderr
    done = run(ASK, tmp_path, CC="false")
    assert done.stdout == "False\n" and "cannot be compiled" in done.stderr


def test_processes_that_start_together_compile_without_harm_and_later_ones_not_again(
    tmp_path: Path, quick_compiler: str
) -> None:
    cache = tmp_path / "cache"
    variables = os.environ | {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(ROOT), "CC": quick_compiler}
    both = [subprocess.Popen([sys.executable, "-c", ASK], env=variables, stdout=subprocess.PIPE) for _ in range(2)]
    assert [process.communicate()[0] for process in both] == [b"True\n"] * 2
    (library,) = (cache / "doubt").iterdir()
    made = library.stat().st_mtime_ns
    copy = tmp_path / "copy"  # of the project, with what it has compiled
    shutil.copytree(ROOT / "indoubt", copy / "indoubt")
    assert run(ASK, cache, PYTHONPATH=str(copy), CC=quick_compiler).stdout == "True\n"
    assert library.stat().st_mtime_ns == made and list((cache / "doubt").iterdir()) == [library]
    header = copy / "indoubt/engines/fused/native/functions.h"
    header.write_text(header.read_text() + "\n")
    assert run(ASK, cache, PYTHONPATH=str(copy), CC=quick_compiler).stdout == "True\n"
    assert len(list((cache / "doubt").iterdir())) == 2, "other C code, and the library of the first is taken"


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, quick_compiler: str) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    done = run(ASK, in_the_way, TMPDIR=str(tmp_path), CC=quick_compiler)
    assert done.stdout == "True\n" and not done.stderr
    assert list(tmp_path.iterdir()) == [in_the_way], "what it compiled for itself alone is left lying about"


def test_changed_c_code_makes_fused_trainings_stale_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "indoubt", tmp_path / "indoubt")
    monkeypatch.setattr(code_hash, "PACKAGE", tmp_path / "indoubt")
    path = tmp_path / "indoubt/engines/fused/native/functions.h"

    def hashes() -> dict[str, str]:
        code_hash.file_hash.cache_clear()
        return {engine: sources_hash(engine) for engine in ENGINES}

    before = hashes()
    path.write_text("/* A comment,\n   and another layout. */\n" + path.read_text().replace("    ", "\t"))
    assert hashes() == before
    path.write_text(path.read_text().replace("TERMS = SINGLE ? 8 : 14", "TERMS = SINGLE ? 7 : 14"))
    after = hashes()
    assert after["fused"] != before["fused"] and after["fairseq"] == before["fairseq"]
