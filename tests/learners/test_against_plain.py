"""What stacked weights would change is found out by measuring it, is trained one by one, and is said in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from indoubt.errors import UserError
from indoubt.learners.module_definitions import ResolvedModule, resolve_module
from indoubt.training import Protocol
from tests.shared.workspace import ROOT

KINDS = ROOT / "tests/shared/learners/kinds"
TEMPLATE = """
import math, random
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint
{top}

class Mine(nn.Module):
    def __init__(self, source_symbols, target_symbols, width=16, p=0.3):
        super().__init__()
        self.s, self.t = nn.Embedding(source_symbols, width), nn.Embedding(target_symbols, width)
        self.f, self.o = nn.Linear(2 * width, width), nn.Linear(width, target_symbols)
        {init}

    def forward(self, source, source_mask, previous):
        read = self.s(source)
        bag = (read * source_mask[..., None]).sum(1, keepdim=True)
        x = torch.cat([self.t(previous), bag.expand(-1, previous.size(1), -1)], -1)
        {body}
        return self.o(h)
"""
H = "h = self.f(x).tanh()"
REVERSED = """
class Reversed(torch.autograd.Function):
    {vmap}
    @staticmethod
    def forward({ctx}x):
        return x.clone()
    @staticmethod
    def setup_context(ctx, inputs, output):
        pass
    @staticmethod
    def backward(ctx, gradient):
        return -0.1 * gradient
"""
#: What stands at the file's top, in the constructor and in forward; and why models are trained one by one, or None.
TOGETHER_OR_WHY: dict[str, tuple[str, str, str, str | None]] = {
    "a hook on a tensor": (
        "",
        "pass",
        f"{H}; read.requires_grad and read.register_hook(lambda g: g * 0.1)",
        "gradient of s.weight",
    ),
    "a hook on a weight": (
        "",
        "self.f.weight.register_hook(lambda g: g.clamp(-1e-3, 1e-3))",
        H,
        "gradient of f.weight differs by",
    ),
    "a hook on what was accumulated": (
        "def halved(w): w.grad *= 0.5",
        "self.f.weight.register_post_accumulate_grad_hook(halved)",
        H,
        "gradient of f.weight differs by",
    ),
    "a backward hook": (
        "",
        "self.f.register_full_backward_hook(lambda m, i, o: tuple(g / 2 for g in i))",
        H,
        "gradient of s.weight differs by 100.0%",
    ),
    "a backward function of its own": (
        REVERSED.format(vmap="", ctx=""),
        "pass",
        "h = Reversed.apply(self.f(x)).tanh()",
        "torch.func.vmap",
    ),
    "the same with a rule": (
        REVERSED.format(vmap="generate_vmap_rule = True", ctx=""),
        "pass",
        "h = Reversed.apply(self.f(x)).tanh()",
        None,
    ),
    "dropout that is checkpointed": (
        "",
        "self.d = nn.Dropout(p)",
        "h = checkpoint(lambda x: self.d(self.f(x)), x, use_reentrant=False)",
        "vmap",
    ),
    "padding_idx": ("", "self.s.padding_idx = 2", H, "gradient of s.weight differs by"),
    "feature dropout": (
        "",
        "pass",
        "h = F.dropout1d(self.f(x).mT, 0.3, self.training).mT",
        "random numbers other than dropout's",
    ),
    "alpha dropout": (
        "",
        "pass",
        "h = F.alpha_dropout(self.f(x), 0.3, self.training)",
        "random numbers other than dropout's",
    ),
    "Python's random numbers": (
        "",
        "pass",
        f"{H} * (random.random() if self.training else 0.5)",
        "random numbers other than",
    ),
    "seeds while it runs": (
        "",
        "pass",
        "torch.manual_seed(0); h = F.dropout(self.f(x), 0.3, self.training)",
        "random numbers other than",
    ),
    "dropout on rows of a table": (
        "",
        "pass",
        f"x = x + F.dropout(self.f.weight, 0.3, self.training)[:1]; {H}",
        "such as a weight",
    ),
    "one dropout for two loops": (
        "",
        "self.d = nn.Dropout(p)",
        "a = [self.d(x) for x in read.unbind(1)]; h = self.f(torch.stack([self.d(y) for y in x.unbind(1)], 1)).tanh()",
        "depend on the padding",
    ),
    "time first": (
        "",
        "self.d = nn.Dropout(p)",
        "h = self.d(self.f(x).transpose(0, 1)).transpose(0, 1)",
        "batch does not come first",
    ),
    "an unregistered tensor": ("", "self.q = torch.randn(16)", f"{H} * self.q", "its loss differs by"),
    "unregistered layers": ("", "self.q = [nn.Linear(32, 16)]", f"{H} + self.q[0](x)", "its loss differs by"),
    "a tensor that fades": (
        "",
        "self.q = torch.ones(16)",
        f"self.q.mul_(0.9999 if self.training else 1); {H} * self.q",
        "changes q",
    ),
    "weights that fade": (
        "",
        "pass",
        f"self.f.weight.data.mul_(0.9999 if self.training else 1); {H}",
        "changes f.weight",
    ),
    "a state that is carried on": (
        "",
        "self.q = torch.zeros(16)",
        f"{H} + self.q; self.q = h.mean((0, 1)).detach() if self.training else self.q",
        "its loss differs by",
    ),
    "evaluation that counts": (
        "",
        "self.n = 0",
        f"self.n += not self.training; {H} * (1 + 0.1 * self.n if self.training else 1)",
        "its loss differs by",
    ),
    "evaluation that fills a buffer": (
        "",
        "self.register_buffer('n', torch.zeros(()))",
        f"self.training or self.n.fill_(1); {H} * (1 + 0.1 * self.n if self.training else 1)",
        "its loss differs by",
    ),
    "scaled attention": (
        "",
        "self.p = p",
        f"{H}; h = h + F.scaled_dot_product_attention(h, read, read, source_mask[:, None], self.p * self.training)",
        None,
    ),
    "reversal by detaching": ("", "pass", f"{H}; h = 2 * h.detach() - h", None),
    "a gradient within": ("", "pass", "h = torch.func.grad(lambda z: (z.tanh() ** 2).sum())(self.f(x))", None),
    "a cell, step by step": (
        "",
        "self.c = nn.LSTMCell(2 * width, width)",
        "\n        h, state = [], None\n        for y in x.unbind(1): state = self.c(y, state); h.append(state[0])"
        "\n        h = torch.stack(h, 1)",
        "torch.func.vmap",
    ),
    "packed sequences": (
        "from torch.nn.utils.rnn import pack_padded_sequence as packed",
        "self.r = nn.LSTM(width, width, batch_first=True)",
        f"{H} + self.r(packed(read, source_mask.sum(1), True, False))[1][0].transpose(0, 1)",
        "torch.func.vmap",
    ),
    "old weight norm": ("", "self.f = nn.utils.weight_norm(self.f)", H, None),
    "a forward hook": ("", "self.f.register_forward_hook(lambda m, i, o: o * 0.5)", H, None),
    "weights listed beside": (
        "",
        "self.q = [self.f.weight]",
        "h = F.linear(x, self.q[0]).tanh()",
        "gradient of f.weight differs by 100.0%",
    ),
    "bfloat16": (
        "",
        "pass",
        "\n        with torch.autocast('cpu', torch.bfloat16): h = self.f(x)\n        h = h.float()",
        "differs by",
    ),
    "branches on a value": (
        "",
        "pass",
        f"{H} * (2 if x.sum().item() > 1e9 else 1)",
        "torch.func.vmap: vmap: It looks like you're calling",
    ),
    "kept to be looked at": ("", "pass", f"{H}; self.last = h.softmax(-1)", None),
    "largest norms": ("", "self.t = nn.Embedding(target_symbols, width, max_norm=1.0)", H, None),
    "by frequency": ("", "self.t = nn.Embedding(target_symbols, width, scale_grad_by_freq=True)", H, None),
    "a bag": (
        "",
        "self.b = nn.EmbeddingBag(source_symbols, width, mode='sum', padding_idx=1)",
        f"{H} + self.b(source)[:, None]",
        None,
    ),
    "straight through": ("", "pass", "y = self.f(x); h = y + (y.sign() - y).detach()", None),
    "two names": ("", "self.g = nn.Linear(2 * width, width); self.g.weight = self.f.weight", f"{H} * self.g(x)", None),
    "weight norm": ("", "self.f = nn.utils.parametrizations.weight_norm(self.f)", H, None),
    "orthogonal": (
        "",
        "self.g = nn.utils.parametrizations.orthogonal(nn.Linear(width, width))",
        f"{H}; h = self.g(h)",
        None,
    ),
    "compiled": ("@torch.compile\ndef act(x): return x.tanh() * 1.5", "pass", "h = act(self.f(x))", None),
    "dropout of evaluation": (
        "",
        "self.d = nn.Dropout(p).eval(); self.d.train = lambda mode: self.d",
        f"{H}; h = self.d(h)",
        None,
    ),
    "in place": ("", "self.d = nn.Dropout(p, inplace=True)", "h = self.d(self.f(x).tanh() * 1)", None),
    "attention": (
        "",
        "self.a = nn.MultiheadAttention(width, 2, dropout=p, batch_first=True)",
        f"{H} + self.a(self.t(previous), read, read, key_padding_mask=~source_mask, need_weights=False)[0]",
        None,
    ),
    "an LSTM of two layers": (
        "",
        "self.r = nn.LSTM(2 * width, width, 2, dropout=p, batch_first=True)",
        "h = self.r(x)[0]",
        None,
    ),
    "a Transformer of torch's": (
        "",
        "self.r = nn.TransformerEncoderLayer(width, 2, 32, p, batch_first=True)",
        f"{H} + (self.r(read, src_key_padding_mask=~source_mask) * source_mask[..., None]).sum(1, keepdim=True)",
        None,
    ),
}
REFUSED: dict[str, tuple[str, str, str, str]] = {
    "a counter of the class": ("", "Mine.n = 0", f"Mine.n += 1; {H} / Mine.n", "two passes differ"),
    "a counter of the file": (
        "N = [0]",
        "pass",
        f"N[0] += self.training; {H} / (1 + N[0])",
        "in training from pass to pass: it keeps",
    ),
    "a generator of its own": (
        "",
        "self.g = torch.Generator().manual_seed(1)",
        f"{H} + (torch.randn(16, generator=self.g) if self.training else 0)",
        "in training from pass to pass: it keeps",
    ),
    "an input that is written into": (
        "",
        "pass",
        f"{H} * (source_mask.float().sum(1)[:, None, None]); source_mask.logical_not_()",
        "writes into what its forward is given; clone it first",
    ),
    "mixes examples in training": (
        "",
        "pass",
        f"{H}; h = h - h.mean(0) if self.training else h",
        "use nothing that mixes examples",
    ),
    "double": (
        "",
        "self.q = nn.Parameter(torch.ones(16).double())",
        f"{H} * self.q.float()",
        "has a weight of torch.float64 (q)",
    ),
    "half": (
        "",
        "self.q = nn.Parameter(torch.ones(16).half())",
        f"{H} * self.q.float()",
        "has a weight of torch.float16 (q)",
    ),
    "lazy": (
        "",
        "self.q = nn.LazyLinear(16)",
        "h = self.q(x)",
        "(q.weight: nn.LazyLinear and its like); give the sizes",
    ),
    "a weight anew each time": (
        "",
        "pass",
        f"self.f.weight = nn.Parameter(self.f.weight.detach()); {H}",
        "makes weights (f.weight) while it runs",
    ),
    "probabilities": ("", "self.register_forward_hook(lambda m, i, o: o.softmax(-1))", H, "gave probabilities"),
    "no chance at all": (
        "",
        "[nn.init.constant_(w, 0.1) for w in self.parameters()]",
        H,
        "since its constructor draws none by chance",
    ),
}
#: The reviewed inputs, each with what is said of it; None: it is trained together and nothing is said.
FILES = {
    "cached_table": None,
    "checkpointed": "alone: torch.func.vmap",
    "complex_diag": "has a weight of torch.complex64 (c); weights are trained in torch.float32, a complex one as two",
    "control_pair": None,
    "counter": "alone: its forward pass changes steps from update to update",
    "dataclassed_eq": "write @dataclass(eq=False)",
    "drop_always": "training=self.training",
    "drop_inplace": None,
    "ema_teacher": "alone: its forward pass changes teacher.weight from update to update",
    "frozen": None,
    "hook_clamp": "alone: together the gradient of",
    "made_in_forward": "makes weights (o.weight, o.bias) while it runs",
    "padding_idx": "alone: together the gradient of s.weight differs by",
    "rope_cache": None,
    "scripted": None,
    "seeded_inside": "gives all seeds the same weights, since its constructor seeds torch's random numbers itself",
    "sparse_table": "has a table (s.weight) with sparse=True, whose gradients Adam does not take; leave sparse out",
    "spectral": "has a buffer (o.parametrizations.weight.0._u) that changes in training",
    "tied": None,
    "weight_drop": "alone: its dropout acts on a tensor whose first dimension is not the batch, such as a weight",
}


def resolved(file: Path) -> ResolvedModule:
    return resolve_module({"module": str(file)}, 10, None, Protocol(), None, (12, 22))


def written(folder: Path, top: str, init: str, body: str) -> Path:
    path = folder / "mine.py"
    path.write_text(TEMPLATE.format(top=top, init=init, body=body))
    return path


@pytest.mark.parametrize("kind", TOGETHER_OR_WHY)
def test_what_differs_from_a_plain_loop_is_trained_one_by_one(kind: str, tmp_path: Path) -> None:
    *parts, why = TOGETHER_OR_WHY[kind]
    found = resolved(written(tmp_path, *parts))
    assert (found.tried.alone is None) == (why is None), found.tried.alone
    assert (why or "") in (found.tried.alone or "")
    assert found.learner.arguments["together"] is (why is None)


@pytest.mark.parametrize("kind", REFUSED)
def test_what_even_a_plain_loop_would_not_repeat_is_refused(kind: str, tmp_path: Path) -> None:
    *parts, words = REFUSED[kind]
    with pytest.raises(UserError) as error:
        resolved(written(tmp_path, *parts))
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("file", FILES)
def test_each_kind_is_trained_right_or_refused(file: str) -> None:
    words = FILES[file]
    try:
        tried = resolved(KINDS / f"{file}.py").tried
        said = None if tried.alone is None else f"alone: {tried.alone}"
    except UserError as error:
        said = str(error)
        assert "\n" not in said and "class M" in said
    assert said == words if words is None else words in str(said)


def test_seeds_that_start_alike_are_said_to(tmp_path: Path) -> None:
    """Where chance has another part, in a note; where only some weights are the same, too."""
    path = written(
        tmp_path,
        "",
        "torch.manual_seed(1); self.q = nn.Linear(16, 16); self.d = nn.Dropout(p)",
        f"{H}; h = self.d(self.q(h))",
    )
    (note,) = resolved(path).tried.notes
    assert (
        note
        == "all seeds start from the same q.weight, q.bias, since its constructor seeds torch's random numbers itself"
    )
    path = written(
        tmp_path,
        "",
        "torch.manual_seed(1); [w.data.normal_() for w in self.parameters()]; self.d = nn.Dropout(p)",
        f"{H}; h = self.d(h)",
    )
    (note,) = resolved(path).tried.notes
    assert note.startswith("all seeds start from the same weights") and note.endswith("they differ in dropout alone")


def test_constants_that_all_seeds_start_with_are_meant(tmp_path: Path) -> None:
    path = written(tmp_path, "", "self.q = nn.Parameter(torch.arange(16) / 16)", f"{H} * self.q")
    assert resolved(path).tried.notes == []
