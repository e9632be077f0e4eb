"""Texts in Python's words are read and never evaluated: what they give, and what nobody's text can do."""

from __future__ import annotations

import ast
import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from indoubt.data import compat
from indoubt.data.literals import convolutions_of, value_of
from indoubt.engines.fairseq.models import build_model, dictionary_of
from indoubt.engines.fairseq.randomness import seed_everything
from indoubt.errors import UserError
from indoubt.learner import Learner
from indoubt.learners.fairseq_definitions import resolve

SYMBOLS = ("<s>", "<pad>", "</s>", "<unk>", "a", "b", "madeupword0000", "madeupword0001")
#: Climbs from a tuple to a class that imports `os`, without any of Python's builtins.
CLIMBER = (
    "[c for c in ().__class__.__base__.__subclasses__() if c.__name__ == '_wrap_close'][0]"
    ".__init__.__globals__['system']({command!r})"
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[(512, 3)]", [(512, 3)]),
        ("[(512,3)]*2", [(512, 3), (512, 3)]),
        ("2 * [(64, 3, 0)] + [(8, 1)]", [(64, 3, 0), (64, 3, 0), (8, 1)]),
        (" (0.9, 0.999)", (0.9, 0.999)),
        ("(0, 0.999)", (0, 0.999)),
        ("[True] + [False] * 2", [True, False, False]),
        ("0.1,0.2", (0.1, 0.2)),
        ("-1e-3", -1e-3),
        ("None", None),
        ("{}", {}),
        ("{'a': [1]}", {"a": [1]}),
        ("[1] * 0", []),
    ],
)
def test_what_is_read(text: str, value: object) -> None:
    found = value_of(text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "torch",
        "print",
        "1 +",
        "1 + 1",
        "2 * 3",
        "'a' * 9",
        "[1] * -1",
        "[1] * 2.0",
        "[1] * True",
        "[1] * [2]",
        "[1] + (2,)",
        "[0] * 1001",
        "[0] * 999 + [0] * 2",
        "[0] * 10**9",
        "9**9**9",
        "1 << 9999999",
        "-[1]",
        "-True",
        "- -1",
        "1j",
        "b'a'",
        "...",
        "{1, 2}",
        "{**{}}",
        "[*[1]]",
        "f'{1}'",
        "[x for x in [1]]",
        "lambda: 1",
        "[1][0]",
        "(1).real",
        "int(1)",
        "1 if 1 else 2",
        "(x := 1)",
        "1; 2",
        "[" * 5000,
        "-" * 100000 + "1",
        "1" * 10000,
        "\0",
        CLIMBER.format(command="true"),
    ],
)
def test_all_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        value_of(text)


def test_what_is_no_text_is_refused_as_python_refuses_it() -> None:
    with pytest.raises(TypeError):
        value_of(True)  # type: ignore[arg-type]


NO_CONVOLUTIONS = ["[]", "(512, 3)", "[512]", "[(512,)]", "[[512, 3]]", "[(512, 3.0)]", "[(True, 3)]", "[(0, 3)]"]
NO_CONVOLUTIONS += ["[(8, 0)]", "[(512, 3, -1)]", "[(512, 3, 1, 1)]", "[('512', 3)]", "3", "[((1, 2), 3)]"]


@pytest.mark.parametrize("text", NO_CONVOLUTIONS)
def test_what_is_no_list_of_convolutions(text: str) -> None:
    with pytest.raises(ValueError, match="is no list of \\(channels, width\\)"):
        convolutions_of(text)


def test_fairseq_evaluates_nothing_by_itself() -> None:
    """Each of its files that calls `eval` is given another one, or has one of its own; none executes anything."""
    folder = Path(importlib.import_module("fairseq").__file__ or "").parent
    found = set()
    for path in sorted(folder.glob("**/*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and hasattr(node.func, "id")}
        assert not named & {"exec", "compile", "__import__"}, path
        if "eval" in named:
            found.add(".".join(path.relative_to(folder).with_suffix("").parts))
    assert found == set(compat.EVALUATING)
    for name in found:
        assert importlib.import_module(f"fairseq.{name}").eval is value_of


#: Every argument of fairseq's encoder-decoders, optimizers and schedules that it evaluates.
EVALUATED = [
    ("fconv", "encoder_layers"),
    ("fconv", "decoder_layers"),
    ("fconv", "decoder_attention"),
    ("fconv_self_att", "encoder_layers"),
    ("fconv_self_att", "self_attention"),
    ("fconv_self_att", "pretrained"),
    ("lstm", "decoder_attention"),
    ("transformer", "adaptive_softmax_cutoff"),
    ("lightconv", "encoder_glu"),
    ("lightconv", "encoder_kernel_size_list"),
    ("transformer", "lr"),
    ("transformer", "adam_betas"),
    ("fconv", "adamax_betas"),
    ("fconv", "adafactor_eps"),
]


def hostile(marker: Path) -> list[str]:
    command = f"touch {marker}"
    return [f"__import__('os').system({command!r})", CLIMBER.format(command=command), f"[open({str(marker)!r}, 'w')]"]


@pytest.mark.parametrize(("arch", "argument"), EVALUATED)
@pytest.mark.parametrize("which", range(3))
def test_a_definition_runs_nothing_that_is_in_it(arch: str, argument: str, which: int, tmp_path: Path) -> None:
    text = hostile(tmp_path / "ran")[which]
    optimizer = argument.split("_")[0] if argument.startswith("ada") and "softmax" not in argument else "adam"
    with pytest.raises(UserError) as refused:
        resolve({"arch": arch, "optimizer": optimizer, argument: text}, 1, None)
    assert argument.replace("_", "-") in str(refused.value).replace("_", "-")
    assert not (tmp_path / "ran").exists()


def test_a_hostile_text_does_its_harm_where_it_is_evaluated(tmp_path: Path) -> None:
    """So that the test above can fail."""
    for number, text in enumerate(hostile(tmp_path / "ran")[:2]):
        marker = tmp_path / "ran"
        eval(text, {} if number == 0 else {"__builtins__": {}})
        assert marker.exists()
        marker.unlink()


def test_a_foreign_checkpoint_of_fairseqs_runs_nothing(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    torch.save({"model": {}, "args": Bomb()}, tmp_path / "model.pt")
    with pytest.raises(UserError):
        resolve(
            {"arch": "fconv_self_att", "pretrained": "True", "pretrained_checkpoint": str(tmp_path / "model.pt")},
            1,
            None,
        )
    assert not (tmp_path / "ran").exists()


def test_layers_that_are_written_otherwise_are_the_same_layers(learner_of: Callable[..., Learner]) -> None:
    """The text stays in the learner as it was given, since results are filed under it."""

    def weights(text: str) -> tuple[Learner, dict[str, Any]]:
        learner = learner_of("cnn", encoder_layers=text)
        assert learner.arguments["encoder_layers"] == text
        seed_everything(1)
        return learner, build_model(learner, dictionary_of(SYMBOLS), dictionary_of(SYMBOLS)).state_dict()

    _, product = weights("[(24, 3)] * 2 + [(16, 5)]")
    _, written_out = weights("[(24,3),(24,3),(16,5)]")
    assert product.keys() == written_out.keys()
    assert all(torch.equal(product[name], written_out[name]) for name in product)
    assert [tuple(product[f"encoder.convolutions.{layer}.bias"].shape) for layer in range(3)] == [(48,), (48,), (32,)]
