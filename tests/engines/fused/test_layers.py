"""Each fused layer against separate modules with the same weights: outputs, and gradients of weights and inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
import torch
import torch.nn.functional as F
from fairseq.models import fconv
from fairseq.models.lstm import AttentionLayer
from fairseq.modules import MultiheadAttention
from side_by_side import CPU, difference
from torch import Tensor, nn

from indoubt.engines.fused.layers import Embedding, GatedConvolution, LayerNorm, Linear, NormedLinear
from indoubt.engines.fused.lstm_attention import Attention
from indoubt.engines.fused.lstm_cell import LSTMCell, cell_blocks
from indoubt.engines.fused.parameters import Block, Gradients, Parameters
from indoubt.engines.fused.transformer_layers import MultiHead, multihead_blocks

MODELS, BATCH, TIME = 3, 4, 5
TOLERANCE = 1e-5


def fused_weights(modules: Sequence[nn.Module], blocks: Sequence[Block] | None = None) -> tuple[Parameters, Gradients]:
    """The modules' weights, named `layer.*`, and room for gradients filled with what must not survive."""
    states = [{f"layer.{name}": value.detach() for name, value in m.named_parameters()} for m in modules]
    own = blocks or [Block(name, (name,)) for name in states[0]]
    weights = Parameters(own, {name: value.shape for name, value in states[0].items()}, len(modules), CPU)
    for row, state in enumerate(states):
        weights.load(row, state)
    gradients = Gradients(weights)
    gradients.flat.fill_(torch.nan)
    return weights, gradients


def check(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    for name, value in theirs.items():
        assert difference(ours[name], value) < TOLERANCE, name


def check_gradients(gradients: Gradients, modules: Sequence[nn.Module]) -> None:
    for row, module in enumerate(modules):
        check(gradients.export(row), {f"layer.{name}": p.grad for name, p in module.named_parameters()})


def inputs(*shape: int) -> Tensor:
    return torch.randn(MODELS, *shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("bias", [True, False])
def test_linear(bias: bool) -> None:
    modules = [nn.Linear(6, 9, bias=bias) for _ in range(MODELS)]
    weights, gradients = fused_weights(modules)
    x, dy = inputs(TIME, 6).requires_grad_(), inputs(TIME, 9)
    theirs = torch.stack([module(each) for module, each in zip(modules, x, strict=True)])
    theirs.backward(dy)
    with torch.no_grad():
        layer = Linear(weights, gradients, "layer", bias=bias)
        check({"y": layer.forward(x), "dx": layer.backward(dy)}, {"y": theirs, "dx": x.grad})
    check_gradients(gradients, modules)


def test_embedding_leaves_the_padding_symbols_gradient_zero() -> None:
    modules = [nn.Embedding(7, 6, padding_idx=1) for _ in range(MODELS)]
    weights, gradients = fused_weights(modules)
    ids = torch.randint(0, 7, (MODELS, BATCH, TIME), generator=torch.Generator().manual_seed(1))
    ids[:, :, -1] = 1
    dy = inputs(BATCH, TIME, 6)
    theirs = torch.stack([module(each) for module, each in zip(modules, ids, strict=True)]) * 1.5
    theirs.backward(dy)
    with torch.no_grad():
        layer = Embedding(weights, gradients, "layer", ids, padding=1, scale=1.5)
        check({"y": layer.forward(), "look_up": layer.look_up(ids)}, {"y": theirs, "look_up": theirs})
        layer.backward(dy)
    check_gradients(gradients, modules)
    assert not gradients.values["layer.weight"][:, 1].any()


def test_layer_norm() -> None:
    modules = [nn.LayerNorm(6) for _ in range(MODELS)]
    for module in modules:
        nn.init.normal_(module.weight), nn.init.normal_(module.bias)
    weights, gradients = fused_weights(modules)
    x, dy = inputs(TIME, 6).requires_grad_(), inputs(TIME, 6)
    theirs = torch.stack([module(each) for module, each in zip(modules, x, strict=True)])
    theirs.backward(dy)
    with torch.no_grad():
        layer = LayerNorm(weights, gradients, "layer")
        check({"y": layer.forward(x), "dx": layer.backward(dy)}, {"y": theirs, "dx": x.grad})
    check_gradients(gradients, modules)


def test_weight_normed_linear() -> None:
    modules = [fconv.Linear(6, 9) for _ in range(MODELS)]
    weights, gradients = fused_weights(modules)
    x, dy = inputs(TIME, 6).requires_grad_(), inputs(TIME, 9)
    theirs = torch.stack([module(each) for module, each in zip(modules, x, strict=True)])
    theirs.backward(dy)
    with torch.no_grad():
        layer = NormedLinear(weights, gradients, "layer")
        check({"y": layer.forward(x), "dx": layer.backward(dy)}, {"y": theirs, "dx": x.grad})
    check_gradients(gradients, modules)


@pytest.mark.parametrize("causal", [True, False])
def test_gated_convolution(causal: bool) -> None:
    make = fconv.LinearizedConv1d if causal else fconv.ConvTBC
    modules = [make(6, 10, 3, padding=2 if causal else 1) for _ in range(MODELS)]
    weights, gradients = fused_weights(modules)
    x, dy = inputs(BATCH, TIME, 6).requires_grad_(), inputs(BATCH, TIME, 5)
    theirs = torch.stack(
        [F.glu(module(each.transpose(0, 1)), 2).transpose(0, 1) for module, each in zip(modules, x, strict=True)]
    )
    theirs.backward(dy)
    with torch.no_grad():
        layer = GatedConvolution(weights, gradients, "layer", 2 if causal else 1, 0 if causal else 1)
        rows = layer.packing_of(torch.ones(MODELS, BATCH, TIME))
        y, dx = layer.forward(rows.pack(x), rows), layer.backward(rows.pack(dy))
        check({"y": rows.unpack(y), "dx": rows.unpack(dx)}, {"y": theirs, "dx": x.grad})
        if causal:
            check({"step": layer.step(x[:, :, 1:4])}, {"step": theirs[:, :, 3]})
    check_gradients(gradients, modules)


@pytest.mark.parametrize("keys", [TIME, 3])
def test_multihead_attention(keys: int) -> None:
    modules = [MultiheadAttention(8, 4, encoder_decoder_attention=True) for _ in range(MODELS)]
    weights, gradients = fused_weights(modules, multihead_blocks("layer"))
    x, source, dy = (
        inputs(BATCH, TIME, 8).requires_grad_(),
        inputs(BATCH, keys, 8).requires_grad_(),
        inputs(BATCH, TIME, 8),
    )
    padding = torch.zeros(BATCH, keys, dtype=torch.bool)
    padding[1, 1:] = True
    future = torch.full((TIME, keys), -torch.inf).triu(1)
    theirs = []
    for row, module in enumerate(modules):
        q, kv = x[row].transpose(0, 1), source[row].transpose(0, 1)
        out, _ = module(q, kv, kv, key_padding_mask=padding, attn_mask=future)
        theirs.append(out.transpose(0, 1))
    torch.stack(theirs).backward(dy)
    bias = torch.zeros(BATCH, keys, 1).masked_fill(padding[..., None], -torch.inf) + future.T
    with torch.no_grad():
        layer = MultiHead(weights, gradients, "layer", 4)
        y = layer.forward(x, source, bias.repeat(MODELS, 1, 1))
        dx, d_source = layer.backward(dy)
    check({"y": y, "dx": dx, "d_source": d_source}, {"y": torch.stack(theirs), "dx": x.grad, "d_source": source.grad})
    # the gradient of the keys' bias is zero but for rounding: it shifts all scores of a query alike
    for row, module in enumerate(modules):
        ours = gradients.export(row)
        assert ours.pop("layer.k_proj.bias").abs().max() < TOLERANCE
        check(ours, {f"layer.{name}": p.grad for name, p in module.named_parameters() if name != "k_proj.bias"})


def test_cell_with_fewer_rows_as_time_goes_on() -> None:
    modules = [nn.LSTMCell(6, 7) for _ in range(MODELS)]
    weights, gradients = fused_weights(modules, cell_blocks("layer", "layer"))
    active = [4, 4, 2]
    x, dy = inputs(len(active), BATCH, 6).requires_grad_(), inputs(len(active), BATCH, 7)
    outputs = []
    for row, module in enumerate(modules):
        h, c = torch.zeros(BATCH, 7), torch.zeros(BATCH, 7)
        for t, n in enumerate(active):
            h, c = module(x[row, t, :n], (h[:n], c[:n]))
            outputs.append((h * dy[row, t, :n]).sum())
    torch.stack(outputs).sum().backward()
    with torch.no_grad():
        layer = LSTMCell(weights, gradients, "layer", active, BATCH)
        layer.inputs[:, :-1, :, :6] = x
        layer.start()
        total = sum(float((layer.forward(t) * dy[:, t, :n]).sum()) for t, n in enumerate(active))
        layer.start_backward()
        layer.d_hidden.zero_(), layer.d_cell.zero_()
        for t, n in reversed(list(enumerate(active))):
            layer.d_hidden[:, :n] += dy[:, t, :n]
            layer.backward(t)
        dx = layer.d_inputs[..., :6]
        layer.gather()
    assert total == pytest.approx(float(torch.stack(outputs).sum()), rel=TOLERANCE)
    check({"dx": dx}, {"dx": x.grad})
    check_gradients(gradients, modules)


def test_attention_of_the_lstm() -> None:
    modules = [AttentionLayer(7, 7, 7) for _ in range(MODELS)]
    blocks = [Block(f"layer.{name}", (f"layer.{name}.weight",)) for name in ("input_proj", "output_proj")]
    weights, gradients = fused_weights(modules, blocks)
    active, present = [4, 2], torch.ones(MODELS, BATCH, TIME, dtype=torch.bool)
    present[:, 1, 2:] = False
    h, dy = inputs(len(active), BATCH, 7).requires_grad_(), inputs(len(active), BATCH, 7)
    source = inputs(BATCH, TIME, 7).requires_grad_()
    outputs = {}
    for row, module in enumerate(modules):
        for t, n in enumerate(active):
            hidden = source[row, :n].transpose(0, 1)
            outputs[row, t], _ = module(h[row, t, :n], hidden, ~present[row, :n].T)
            outputs[row, t].backward(dy[row, t, :n])
    with torch.no_grad():
        layer = Attention(weights, gradients, "layer", active, present)
        layer.start(source)
        dh = torch.zeros_like(h)
        for t, n in enumerate(active):
            ours = layer.forward(t, h[:, t, :n])
            check({"y": ours}, {"y": torch.stack([outputs[row, t] for row in range(MODELS)])})
            dh[:, t, :n] = sum(layer.backward(t, dy[:, t, :n]))
        check({"d_source": layer.gather(), "dh": dh}, {"d_source": source.grad, "dh": h.grad})
    check_gradients(gradients, modules)
