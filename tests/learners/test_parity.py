"""Each built-in learner is equal to a reference from the same weights: fairseq's, torch's or Hugging Face's own."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from indoubt import layers
from indoubt.engines.fairseq.models import build_model, dictionary_of
from indoubt.engines.fairseq.optimizer import Optimizer
from indoubt.engines.fused.adam import Schedule
from indoubt.engines.fused.parameters import Parameters
from indoubt.engines.modules import stacked_models
from indoubt.engines.modules.loader import load_class
from indoubt.learner import Learner
from tests.shared import made_modules as made
from tests.shared.double import Adam64, keep_double
from tests.shared.made_modules import SOURCE, TARGET, T, ids

#: fairseq's names, and ours.
TRANSFORMER = {
    "embed_tokens": "table",
    "self_attn_layer_norm": "attention_norm",
    "encoder_attn_layer_norm": "cross_norm",
    "final_layer_norm": "norm",
    "self_attn": "attention",
    "encoder_attn": "cross",
    "q_proj": "query",
    "k_proj": "key",
    "v_proj": "value",
    "out_proj": "out",
    "fc1": "inner",
    "fc2": "outer",
    "decoder.embed_out": "out.weight",
}
LSTM = {
    "encoder.embed_tokens": "source",
    "decoder.embed_tokens": "target",
    "encoder.lstm.weight_ih_l0": "encoder.of_input.weight",
    "encoder.lstm.weight_hh_l0": "encoder.of_state.weight",
    "encoder.lstm.bias_ih_l0": "encoder.of_input.bias",
    "encoder.lstm.bias_hh_l0": "encoder.of_state.bias",
    "decoder.layers.0.weight_ih": "decoder.of_input.weight",
    "decoder.layers.0.weight_hh": "decoder.of_state.weight",
    "decoder.layers.0.bias_ih": "decoder.of_input.bias",
    "decoder.layers.0.bias_hh": "decoder.of_state.bias",
    "decoder.attention.input_proj": "query",
    "decoder.attention.output_proj": "mix",
    "decoder.fc_out": "out",
}


def built(name: str, *sizes: int, **arguments: Any) -> nn.Module:
    file, _, class_name = name.partition(".")
    return load_class(f"learners/{file}.py", class_name)(*sizes, **arguments).eval()


def renamed(state: dict[str, Tensor], names: dict[str, str]) -> dict[str, Tensor]:
    found = {}
    for name, value in state.items():
        for theirs, ours in names.items():
            name = name.replace(theirs, ours)
        found[name] = value
    return found


def parameters(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def near(one: Tensor, other: Tensor, tolerance: float) -> None:
    assert (one - other).abs().max() < tolerance


def same_gradients(ours: Tensor, theirs: Tensor, weights: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Gradients of the sum of squares of two equal outputs, weight by weight; of each of ours and the one it equals."""
    mine, other = zip(*weights, strict=True)
    of_ours = torch.autograd.grad(ours.square().sum(), mine)
    of_theirs = torch.autograd.grad(theirs.square().sum(), other)
    for one, expected in zip(of_ours, of_theirs, strict=True):
        near(one, expected.view_as(one), 1e-5 * max(1.0, float(expected.abs().max())))


def batch() -> tuple[Tensor, Tensor, Tensor]:
    """T by falling length of the source: source, its mask, previous; padding on the right."""
    rows = sorted(T, key=lambda example: -len(example.source))
    source = nn.utils.rnn.pad_sequence([torch.tensor(e.source) for e in rows], True, 1)
    previous = nn.utils.rnn.pad_sequence([torch.tensor((2, *e.target[:-1])) for e in rows], True, 1)
    return source, source != 1, previous


#: fairseq's learner; our class and arguments; its number of weights.
CASES: dict[str, tuple[str, dict[str, Any], dict[str, str], int]] = {
    "transformer": ("transformer.Transformer", {}, TRANSFORMER, 37_632),
    "lstm": ("recurrent.Recurrent", {"cell": "lstm"}, LSTM, 3_223_816),
    "lstm-attention": ("recurrent.Recurrent", {"cell": "lstm", "attention": True}, LSTM, 4_010_248),
}


@pytest.mark.parametrize("case", CASES)
def test_encoder_decoders_are_fairseqs(case: str, learner_of: Callable[..., Learner]) -> None:
    module, arguments, names, n_weights = CASES[case]
    learner = learner_of(case, 20, dropout=0.0)
    theirs = build_model(learner, dictionary_of(SOURCE), dictionary_of(TARGET)).eval()
    ours = built(module, 8, 8, dropout=0.0, **arguments)
    assert sum(weight.numel() for weight in ours.parameters()) == n_weights
    ours.load_state_dict(renamed(parameters(theirs), names))
    source, mask, previous = batch()
    real = previous != 1
    expected = theirs(source, mask.sum(1), previous)[0]
    logits = ours(source, mask, previous)
    near(logits[real], expected[real], 1e-6)
    of_theirs = renamed(dict(theirs.named_parameters()), names)
    same_gradients(logits[real], expected[real], ((w, of_theirs[name]) for name, w in ours.named_parameters()))


def test_twenty_clipped_steps_are_fairseqs(learner_of: Callable[..., Learner], monkeypatch: pytest.MonkeyPatch) -> None:
    """In double precision."""
    keep_double(monkeypatch)
    monkeypatch.setattr(stacked_models, "Parameters", partial(Parameters, dtype=torch.float64))
    learner = learner_of("transformer", 20, dropout=0.0, clip_norm=0.5, lr=1e-2, warmup_updates=5)
    theirs = build_model(learner, dictionary_of(SOURCE), dictionary_of(TARGET)).double()
    start = renamed(parameters(theirs), TRANSFORMER)
    same = {name: learner.arguments[name] for name in ("lr", "clip_norm", "warmup_updates", "warmup_init_lr")}
    ours = made.learner("transformer.Transformer", 20, dropout=0.0)
    ours = replace(ours, arguments=ours.arguments | same, updates=20, batch_size=None)
    lockstep = made.lockstep([made.training(ours, 1), made.training(ours, 2)], start)
    schedule, weights = Schedule.of(learner), list(theirs.parameters())
    adam = Adam64(weights)
    source, mask, previous = batch()
    rows = sorted(T, key=lambda example: -len(example.source))
    target = nn.utils.rnn.pad_sequence([torch.tensor(e.target) for e in rows], True, 1)
    clipped = 0
    for update in range(20):
        lockstep.update()
        theirs.zero_grad()
        logits = theirs(source, mask.sum(1), previous)[0].flatten(0, 1)
        nll = nn.functional.cross_entropy(logits, target.flatten(), ignore_index=1, reduction="sum")
        (nll / len(rows)).backward()
        clipped += int(nn.utils.clip_grad_norm_(weights, schedule.clip_norm) > schedule.clip_norm)
        adam.step(schedule.rate(update))
    assert clipped
    after = renamed(parameters(theirs), TRANSFORMER)
    for name, value in lockstep.models.weights.export(1).items():
        if name.endswith("key.bias"):  # shifts all scores alike: its gradient is rounding, which Adam makes a step of
            continue
        difference = (value - after[name]).norm() / after[name].norm().clamp(min=1e-3)
        assert difference < 1e-10, name
        assert not torch.equal(value, start[name]) or not start[name].any()


@pytest.mark.parametrize("hidden", [32, pytest.param(512, marks=pytest.mark.long)])
def test_a_hundred_updates_of_an_lstm_are_fairseqs(hidden: int, learner_of: Callable[..., Learner]) -> None:
    """At the size of the paper's LSTM too."""
    sizes = {f"{side}_hidden_size": hidden for side in ("encoder", "decoder")} | {"decoder_out_embed_dim": hidden}
    learner = learner_of("lstm", 100, dropout=0.0, warmup_updates=10, **sizes)
    theirs = build_model(learner, dictionary_of(SOURCE), dictionary_of(TARGET))
    ours = made.learner("recurrent.Recurrent", 100, cell="lstm", hidden=hidden, dropout=0.0)
    ours = replace(ours, arguments=ours.arguments | {"warmup_updates": 10}, updates=100, batch_size=None)
    lockstep = made.lockstep([made.training(ours, 1)], renamed(parameters(theirs), LSTM))
    optimizer = Optimizer(theirs, Namespace(**learner.arguments))
    source, mask, previous = batch()
    rows = sorted(T, key=lambda example: -len(example.source))
    target = nn.utils.rnn.pad_sequence([torch.tensor(e.target) for e in rows], True, 1)

    def loss(model: nn.Module, *given: Tensor) -> Tensor:
        logits = model(*given)
        logits = logits[0] if isinstance(logits, tuple) else logits
        return nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=1, reduction="sum")

    before = float(loss(theirs, source, mask.sum(1), previous))
    for update in range(100):
        lockstep.update()
        optimizer.zero_grad()
        loss(theirs, source, mask.sum(1), previous).backward()
        optimizer.step(update, len(rows))
    model = built("recurrent.Recurrent", 8, 8, cell="lstm", hidden=hidden)
    model.load_state_dict(lockstep.weights.export(0))
    after = float(loss(theirs, source, mask.sum(1), previous))
    assert after < before / 1.2
    assert float(loss(model, source, mask, previous)) == pytest.approx(after, rel=1e-3)


def test_decoder_only_is_fairseqs_decoder_without_an_encoder(learner_of: Callable[..., Learner]) -> None:
    from fairseq.models.transformer import TransformerDecoder

    arguments = Namespace(**learner_of("transformer", dropout=0.0).arguments)
    table = nn.Embedding(16, 16, padding_idx=1)
    theirs = TransformerDecoder(arguments, dictionary_of(TARGET), table, no_encoder_attn=True).eval()
    theirs.embed_out = nn.Parameter(torch.randn(16, 16) / 4)
    ours = built("decoder_only.DecoderOnly", 16, dropout=0.0)
    of_theirs = renamed({f"decoder.{name}": weight for name, weight in theirs.named_parameters()}, TRANSFORMER)
    ours.load_state_dict(of_theirs)
    tokens = torch.tensor([[4, 4, 5, 10, 4, 5], [5, 10, 4, 4, 5, 4], [4, 5, 4, 5, 10, 5]])
    logits, expected = ours(tokens), theirs(tokens)[0]
    near(logits, expected, 1e-6)
    same_gradients(logits, expected, ((w, of_theirs[name]) for name, w in ours.named_parameters()))


@pytest.mark.parametrize(("cell", "kind"), [("gru", nn.GRUCell), ("rnn", nn.RNNCell), ("lstm", nn.LSTMCell)])
def test_cells_are_torchs(cell: str, kind: type[nn.Module]) -> None:
    model = built("recurrent.Recurrent", 8, 8, cell=cell, hidden=24)
    ours, theirs = model.encoder, kind(16, 24)
    of_ours = {
        f"{weight}_{side}": getattr(getattr(ours, part), weight)
        for weight in ("weight", "bias")
        for side, part in (("ih", "of_input"), ("hh", "of_state"))
    }
    theirs.load_state_dict(of_ours)
    x, h, c = torch.randn(3, 16), torch.randn(3, 24), torch.randn(3, 24)
    state, memory = ours(ours.of_input(x), h, c)
    if cell == "lstm":
        expected_state, expected_memory = theirs(x, (h, c))
        near(memory, expected_memory, 1e-6)
    else:
        expected_state = theirs(x, h)
    near(state, expected_state, 1e-6)
    same_gradients(state, expected_state, ((of_ours[name], weight) for name, weight in theirs.named_parameters()))


def test_mamba_is_hugging_faces() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.MambaConfig(vocab_size=16, hidden_size=16, num_hidden_layers=2, use_cache=False)
    theirs = transformers.MambaForCausalLM(config).eval()
    ours = built("mamba.Mamba", 16, layers=2)
    pairs = [(ours.table.weight, theirs.backbone.embeddings.weight), (ours.norm.weight, theirs.backbone.norm_f.weight)]
    for block, layer in zip(ours.blocks, theirs.backbone.layers, strict=True):
        mixer = layer.mixer
        pairs += [
            (block.norm.weight, layer.norm.weight),
            (block.into.weight, mixer.in_proj.weight),
            (block.filter, mixer.conv1d.weight),
            (block.filter_bias, mixer.conv1d.bias),
            (block.select.weight, mixer.x_proj.weight),
            (block.step.weight, mixer.dt_proj.weight),
            (block.step.bias, mixer.dt_proj.bias),
            (block.log_decay, mixer.A_log),
            (block.skip, mixer.D),
            (block.out.weight, mixer.out_proj.weight),
        ]
    with torch.no_grad():
        for mine, other in pairs:
            mine.copy_(other.view_as(mine))
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
    tokens = torch.randint(4, 16, (3, 9))
    logits, expected = ours(tokens), theirs(tokens).logits
    near(logits, expected, 1e-6)
    same_gradients(logits, expected, pairs)


def test_mamba_starts_with_steps_between_a_thousandth_and_a_tenth() -> None:
    step = nn.functional.softplus(built("mamba.Mamba", 16).blocks[0].step.bias)
    assert 0.000999 < step.min() < step.max() < 0.1001


def test_s4ds_convolution_is_its_recurrence() -> None:
    space = built("s4d.S4D", 16).blocks[0].space
    times = 40
    step = space.log_step.double().exp()[:, None]
    rate = torch.complex(-space.log_decay.double().exp(), space.turn.double())
    keep, into = (rate * step).exp(), ((rate * step).exp() - 1) / rate
    read = torch.view_as_complex(space.read.double())
    state, expected = torch.zeros_like(rate), []
    for time in range(times):
        state = keep * state + into * (time == 0)
        expected.append(2 * (read * state).sum(1).real)
    near(space.kernel(times), torch.stack(expected, 1).float(), 2e-6)
    u = torch.randn(2, 7, 16)
    kernel = space.kernel(7)
    by_hand = sum(kernel[:, lag] * u[1, 5 - lag] for lag in range(6)) + space.skip * u[1, 5]
    near(space(u)[1, 5], by_hand, 1e-5)


def test_rotary_positions_are_llamas() -> None:
    llama = pytest.importorskip("transformers.models.llama.modeling_llama")
    x = torch.randn(2, 3, 11, 8)
    angles = torch.outer(torch.arange(11.0), 10000.0 ** (-torch.arange(0, 8, 2) / 8)).repeat(1, 2)
    expected, _ = llama.apply_rotary_pos_emb(x, x, angles.cos()[None], angles.sin()[None])
    near(layers.rotated(x), expected, 1e-6)


@pytest.mark.parametrize("causal", [True, False])
def test_buckets_are_t5s(causal: bool) -> None:
    t5 = pytest.importorskip("transformers.models.t5.modeling_t5")
    places = torch.arange(300)
    distance = places[None] - places[:, None]
    expected = t5.T5Attention._relative_position_bucket(distance, not causal, 32, 128)
    seen = torch.ones(300, 300, dtype=torch.bool).tril() if causal else torch.ones(300, 300, dtype=torch.bool)
    assert torch.equal(layers.buckets(300, causal)[seen], expected[seen])


def test_alibi_is_minus_the_distance_times_a_slope_per_head() -> None:
    bias = layers.alibi(8, 4)  # slopes 1/2, 1/4, ...
    assert bias[0, 3].tolist() == [-1.5, -1.0, -0.5, 0.0]
    assert bias[1, 0].tolist() == [0.0, -0.25, -0.5, -0.75]
    assert layers.alibi(2, 2)[:, 1, 0].tolist() == [-(2.0**-4), -(2.0**-8)]


@pytest.mark.parametrize("positions", layers.POSITIONS)
def test_order_matters_but_without_positions(positions: str) -> None:
    model = built("transformer.Transformer", 8, 8, heads=2, positions=positions)
    source, mask = torch.tensor([[4, 5, 5, 4, 5, 2], [5, 5, 4, 5, 4, 2]]), torch.ones(2, 6, dtype=torch.bool)
    one, other = model(source, mask, torch.tensor([[2], [2]]))[:, 0]
    assert torch.allclose(one, other, atol=1e-5) == (positions == "none")


def test_a_universal_transformer_is_one_layer_again_and_again() -> None:
    once = built("transformer.Transformer", 8, 8)
    twice = built("transformer.Transformer", 8, 8, layers=2, shared=True)
    assert sum(p.numel() for p in twice.parameters()) == 37_632
    twice.load_state_dict(once.state_dict())
    encoder = twice.encoder
    x = encoder.table(torch.tensor([ids("abab")])) * 4 + layers.sinusoids(5, 16)
    expected = encoder.layers[0](encoder.layers[0](x, None, None, None), None, None, None)
    near(encoder(torch.tensor([ids("abab")])), expected, 1e-6)
