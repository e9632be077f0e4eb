"""What reaches C: numbers and arrays as the C code declares them, whatever they are in Python."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import side_by_side as sides
import torch
from side_by_side import CPU, SMALL, SYMBOLS, examples, ids

from indoubt.engines.fairseq import engine as reference
from indoubt.engines.fused import kernels
from indoubt.engines.fused.signatures import EXTENTS, numbers
from indoubt.learner import Learner
from indoubt.learners.fairseq_definitions import resolve
from indoubt.training import Decode, Protocol, Score, Training
from tests.shared.fused import train_many
from tests.shared.workspace import ROOT

pytestmark = pytest.mark.skipif(not kernels.there_are(torch.ones(1)), reason="there is no C compiler")
SENT = examples("aa>bbb", "ab>b", "a>bb", "aaabb>bbbbb")


def training(learner: Learner) -> Training:
    scores, decodes = (Score(examples("aab>bb")),), (Decode((ids("aa"), ids("")), 0, 12),)
    return Training(learner, Protocol(), 1, SYMBOLS, SYMBOLS, (SENT,), None, scores, decodes)


#: Whole numbers where real ones are meant, and the ends of what is allowed. (Where the second moment does not decay, a
#: weight's step is its gradient's sign, and without an `adam_eps` that outweighs it rounding decides that of a zero.)
NUMBERS: list[dict[str, Any]] = [
    {"adam_betas": "(0, 0.999)"},
    {"adam_betas": "(0.9, 0)", "adam_eps": 1e-3},
    {"adam_betas": "(0, 0)", "adam_eps": 1e-3, "lr": 0.01},
    {"adam_betas": "[0.5, 0.5]"},
    {"clip_norm": 1},
    {"clip_norm": 0},
    {"adam_eps": 1},
    {"lr": 1, "adam_eps": 1},
    {"lr": "[0.01]", "warmup_init_lr": 0, "warmup_updates": 1},
    {"warmup_init_lr": -1},
    {"dropout": 0, "weight_decay": 0},
]
#: In the size from which a model is alone and its large weights are C's business from gradient to step.
LARGE: dict[str, dict[str, Any]] = {
    "transformer": {},
    "lstm-attention": {f"{side}_hidden_size": 160 for side in ("encoder", "decoder")} | {"decoder_out_embed_dim": 160},
    "cnn": {"encoder_layers": "[(160, 3)]", "decoder_layers": "[(160, 3)]"},
}


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("numbers", NUMBERS, ids=str)
def test_numbers_of_every_kind_give_what_the_reference_gives(name: str, numbers: dict[str, Any]) -> None:
    base = {"dropout": 0.0, "lr": 1e-3, "warmup_updates": 3}
    learner = resolve(SMALL[name] | sides.OPTIMISATION | LARGE[name] | base | numbers, 6, None)
    each = training(learner)
    (ours,), (theirs,) = train_many([each], CPU), reference.train_chain([each], CPU)
    assert ours.status == theirs.status == "ok"
    assert ours.nats == pytest.approx(theirs.nats, rel=2e-3)


def test_numbers_that_json_has_made_whole_are_the_same_numbers() -> None:
    """A job's learner comes as JSON, and a person may write it."""
    real = sides.learner("transformer", 6, lr=1.0, adam_eps=1.0, clip_norm=2.0, warmup_init_lr=0.0, dropout=0.0)
    whole = replace(real, arguments=real.arguments | {"lr": [1], "adam_eps": 1, "clip_norm": 2, "warmup_init_lr": 0})
    scored = [next(iter(train_many([training(each)], CPU))).nats for each in (real, whole)]
    assert scored[0] == scored[1]


def test_a_functions_types_are_not_those_of_its_first_call() -> None:
    """In a process of its own, in which the first step has whole numbers for betas."""
    program = (
        "import torch; from indoubt.engines.fused import kernels\n"
        "def step(*betas):\n"
        "    torch.manual_seed(1)\n"
        "    state = [torch.rand(4, 16) for _ in range(3)]\n"
        "    kernels.adam_of_product(torch.rand(3, 4), torch.rand(3, 16), None, state, 1, 1, betas, 1, True)\n"
        "    return [each.sum().item() for each in state]\n"
        "first, second, third = step(0, 1), step(0.5, 0.25), step(0.0, 1.0)\n"
        "assert first == third != second, (first, second, third)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_every_number_is_converted() -> None:
    x, squares = torch.ones(3, 5), torch.empty(5)
    for rows in (3, np.int64(3), np.int32(3)):
        squares.zero_()
        kernels.bound(x.dtype, "squared_columns", x, squares, rows, 5)()
        assert squares.tolist() == [3.0] * 5


X, Y = torch.ones(3, 5), torch.empty(5)
REFUSED = [
    ((X, Y, 3.0, 5), "'out' of the C function 'squared_columns' is a whole number, not 3.0"),
    ((X, Y, None, 5), "'out' .* is a number, not None"),
    ((X, Y, torch.tensor(3), 5), "'out' .* is a number, not tensor"),
    ((X, Y, "3", 5), "'out' .* is a whole number"),
    ((X, None, 3, 5), "'squares' .* is an array, not None"),
    ((X, 0, 3, 5), "'squares' .* is an array, not 0"),
    ((X, X.numpy(), 3, 5), "'squares' .* is an array, not array"),
    ((X.double(), Y, 3, 5), "'w' .* is an array of torch.float32 on the CPU, not of torch.float64"),
    ((X.long(), Y, 3, 5), "not of torch.int64"),
    ((X.to("meta"), Y, 3, 5), "on meta"),
    ((torch.ones(5, 3).mT, Y, 3, 5), r"has gaps: its shape is \(3, 5\), its strides are \(1, 3\)"),
    ((torch.ones(3, 6)[:, :5], Y, 3, 5), "has gaps"),
    ((X, Y, 3), "takes 4 arguments, not 3"),
    ((X, Y, 3, 5, 5), "takes 4 arguments, not 5"),
]


@pytest.mark.parametrize(("arguments", "complaint"), REFUSED)
def test_what_is_of_another_kind_is_refused(arguments: Any, complaint: str) -> None:
    with pytest.raises(TypeError, match=complaint):
        kernels.bound(torch.float32, "squared_columns", *arguments)


#: A call of each kind that fits, and by how much its arrays may not be shorter.
FITTING: dict[str, tuple[Any, ...]] = {
    "squared_columns": (X, Y, 3, 5),
    "multiply_transposed": (torch.ones(3, 7)[:, :2], 7, torch.ones(4, 2), torch.ones(4), torch.ones(3, 4), 4, 3, 4, 2),
    "transpose_matrix": (torch.ones(3, 5), 5, torch.ones(5, 3), 3, 3, 5),
    "lstm_backward": (*(torch.ones(2, n * 3) for n in (4, 1, 1, 1, 1, 4)), 2, 3),
    "cell_forward": (
        *(torch.ones(shape) for shape in ((8, 5), 8, (4, 3, 5), (3, 3, 8), (4, 3, 2), (3, 3, 2))),
        *(torch.tensor([3, 2, 1]), None, 0, -1, 0, 3, 3, 5, 2),
    ),
}


@pytest.mark.parametrize("function", FITTING)
def test_arrays_that_are_shorter_than_the_sizes_say_are_refused(function: str) -> None:
    given = FITTING[function]
    kernels.bound(torch.float32, function, *given)()
    for place, array in enumerate(given):
        if isinstance(array, torch.Tensor):
            short = array[:-1] if array.dim() == 1 or not array.is_contiguous() else array.flatten()[:-1]
            with pytest.raises(ValueError, match=f"of the C function '{function}' is to hold"):
                kernels.bound(torch.float32, function, *given[:place], short, *given[place + 1 :])


#: Arrays that lie where others say, or are as long as others say.
UNTOLD = {
    *(("windows", name) for name in ("x", "windows")),
    *(("windows_backward", name) for name in ("d_windows", "dx")),
    *((f"cell_{way}", "masks") for way in ("forward", "backward")),
    *(("transformer_updates", name) for name in ("weights", "d_weights")),
}


def test_all_arrays_that_python_gives_have_a_size() -> None:
    declared = kernels._signatures(torch.float32)
    of_c = {"feed_forward", "feed_forward_backward", "linear_backward"}  # which C calls alone
    arrays = {(name, p.name) for name, ps in declared.items() if name not in of_c for p in ps if p.element is not None}
    assert arrays - UNTOLD == {(name, array) for name, extents in EXTENTS.items() for array in extents}
    for name, extents in EXTENTS.items():
        sizes = {p.name: 2 for p in declared[name] if p.element is None}
        assert all(numbers(name, array, sizes) > 0 for array in extents)


def test_whole_numbers_of_arrays_are_of_64_bits_and_a_bias_may_be_left_out() -> None:
    x, windows = torch.ones(3, 2), torch.empty(3, 3, 2)
    with pytest.raises(TypeError, match=r"'lengths' .* is an array of torch.int64"):
        kernels.bound(x.dtype, "windows", x, torch.tensor([3], dtype=torch.int32), windows, 1, 2, 3, 1)
    out = torch.empty(3, 4)
    kernels.bound(x.dtype, "multiply_transposed", x, 2, torch.ones(4, 2), None, out, 4, 3, 4, 2)()
    assert out.tolist() == [[2.0] * 4] * 3
    with pytest.raises(TypeError, match=r"'x' .* is an array, not None"):
        kernels.bound(x.dtype, "multiply_transposed", None, 2, torch.ones(4, 2), None, out, 4, 3, 4, 2)


def test_rows_may_be_apart_where_c_is_told_how_far() -> None:
    x, out = torch.ones(3, 7)[:, :2], torch.empty(3, 4)
    kernels.bound(x.dtype, "multiply_transposed", x, 7, torch.ones(4, 2), None, out, 4, 3, 4, 2)()
    assert out.tolist() == [[2.0] * 4] * 3
    with pytest.raises(TypeError, match=r"'x' .* has gaps"):
        kernels.bound(x.dtype, "multiply_transposed", torch.ones(2, 3).mT, 1, torch.ones(4, 2), None, out, 4, 3, 4, 2)


def test_each_function_that_python_calls_is_declared_with_the_precision_asked_for() -> None:
    for dtype in kernels.TYPES:
        declared = kernels._signatures(dtype)
        assert {"transformer_updates", "cell_forward", "draw_masks", "gated_backward"} <= declared.keys()
        kinds = {parameter.name: parameter for parameter in declared["transformer_updates"]}
        assert kinds["steps"].element == kinds["nats"].element == torch.float64
        assert kinds["w"].element == kinds["chosen"].element == kinds["sizes"].element == torch.int64
        assert [kinds[name].element for name in ("beta1", "beta2", "eps", "clip", "done")] == [None] * 5
        assert not kinds["beta1"].whole and kinds["done"].whole
        assert {p.element for p in declared["draw_masks"]} == {torch.int64, dtype, None}
