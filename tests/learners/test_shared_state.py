"""What modules of a class share and change while they run is refused: other seeds' passes would move their numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_try_out import complaint, resolved, written

IN_EVALUATION, IN_TRAINING = "if not module.training:", "if module.training:"
CLASS, COUNT = "class Of: n = 0", "import itertools; OF = itertools.count()"
#: What is shared, how a pass changes it, and what a pass computes with it: a factor of the logits.
SHARED = {
    "evaluation counts on a class, training reads it": (CLASS, IN_EVALUATION, "Of.n += 1", "Of.n * module.training"),
    "training counts on a class, evaluation reads it": (
        CLASS,
        IN_TRAINING,
        "Of.n += 1",
        "Of.n * (not module.training)",
    ),
    "evaluation sets a flag, training reads it": (CLASS, IN_EVALUATION, "Of.n = 1", "Of.n * module.training"),
    "a number that counts from 1,000 on": (CLASS, "if True:", "Of.n += 1", "Of.n > 1000"),
    "a number in a dictionary": ("OF = {'n': 0}", "if True:", "OF['n'] += 1", "OF['n'] > 1000"),
    "a global tensor": ("OF = torch.zeros(1)", "if True:", "OF.add_(1)", "float(OF > 1000)"),
    "a list that grows": ("OF = []", IN_EVALUATION, "OF.append(0)", "len(OF) * module.training"),
    "an object that counts": (COUNT, IN_EVALUATION, "next(OF)", "(str(OF) != 'count(0)') * module.training"),
    "every third pass": ("OF = [0]", IN_EVALUATION, "OF.append(0)", "(len(OF) % 3 == 0) * module.training"),
}


def module_with(folder: Path, shared: str, when: str, change: str, factor: str) -> str:
    function = f"{shared}\n\ndef factor(module):\n    {when}\n        {change}\n    return 1 + {factor}\n"
    return written(folder, imports=function, out="self.out(self.drop(said + read[:, None])) * factor(self)")


@pytest.mark.parametrize("case", SHARED)
def test_what_a_pass_changes_for_all_is_refused(case: str, tmp_path: Path) -> None:
    message = complaint({"module": module_with(tmp_path, *SHARED[case])})
    assert "from pass to pass, which all seeds share" in message or "computes something else once it was" in message


def test_a_count_on_the_class_itself_is_named(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        init="self.drop = nn.Dropout(dropout)\n    seen = 0",
        out="self.out(self.drop(said + read[:, None])) * self.count()\n\n"
        "    def count(self):\n        Mine.seen += 1\n        return 1 + (Mine.seen > 1000)",
    )
    assert "changes Mine.seen from pass to pass, which all seeds share" in complaint({"module": file})


def test_a_count_that_scales_gradients_alone_is_refused(tmp_path: Path) -> None:
    reversal = """
class Scaled(torch.autograd.Function):
    of = []

    @staticmethod
    def forward(ctx, x, training):
        if not training:
            Scaled.of.append(0)
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * (1 + len(Scaled.of)), None
"""
    file = written(tmp_path, imports=reversal, out="self.out(Scaled.apply(said + read[:, None], self.training))")
    assert "computes something else once it was trained or evaluated" in complaint({"module": file})


@pytest.mark.parametrize(
    ("shared", "change", "factor"),
    [
        ("TABLE = {}", "TABLE.setdefault(module.training, torch.ones(1))", "float(TABLE[module.training])"),
        ("class Of: last = None", "Of.last = module.training", "(Of.last == module.training)"),
        ("SIZES = [1, 2, 3]", "SIZES.sort()", "SIZES[0]"),
    ],
)
def test_what_is_only_kept_is_not_refused(shared: str, change: str, factor: str, tmp_path: Path) -> None:
    resolved({"module": module_with(tmp_path, shared, "if True:", change, factor)})
