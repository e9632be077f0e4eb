"""What answers torch's dropout, attention and recurrent layers while a module runs."""

from __future__ import annotations

import threading

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from indoubt.engines.fused import kernels
from indoubt.engines.modules.overrides import Dropout, ModuleSite, SiteShape, loops
from indoubt.engines.modules.stacked_models import SiteMasks
from tests.shared.made_modules import CPU


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("form", [{}, {"bidirectional": True, "num_layers": 2}, {"bias": False}, {"batch_first": True}])
def test_recurrent_layers_are_torchs(kind: type[nn.Module], form: dict[str, object]) -> None:
    torch.manual_seed(0)
    layer, x = kind(5, 8, **form), torch.randn(4, 3, 5)
    expected, last = layer(x)
    with loops(F.dropout, lambda drops: True):
        found, ours = layer(x)
    assert torch.allclose(found, expected, atol=1e-6)
    pairs = zip(last, ours, strict=True) if kind is nn.LSTM else [(last, ours)]
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in pairs)
    after, _ = layer(x)
    assert torch.equal(after, expected)  # torch's own again


def test_packed_sequences_go_to_torch() -> None:
    layer = nn.GRU(5, 8)
    packed = nn.utils.rnn.pack_padded_sequence(torch.randn(4, 3, 5), torch.tensor([4, 3, 1]))
    expected, _ = layer(packed)
    with loops(F.dropout, lambda drops: True):
        found, _ = layer(packed)
    assert torch.equal(found.data, expected.data)


def test_attention_is_torchs() -> None:
    torch.manual_seed(0)
    attention, x = nn.MultiheadAttention(8, 2, batch_first=True), torch.randn(3, 5, 8)
    padding = torch.arange(5) >= torch.tensor([5, 3, 1])[:, None]
    expected, _ = attention(x, x, x, key_padding_mask=padding, need_weights=False)
    with Dropout(attention, 3, None).active():
        found, _ = attention(x, x, x, key_padding_mask=padding, need_weights=False)
    assert torch.allclose(found, expected, atol=1e-6)
    query, key = torch.randn(2, 4, 5, 8), torch.randn(2, 2, 5, 8)
    expected = F.scaled_dot_product_attention(query, key, key, is_causal=True, scale=0.3, enable_gqa=True)
    with Dropout(attention, 2, None).active():
        found = F.scaled_dot_product_attention(query, key, key, is_causal=True, scale=0.3, enable_gqa=True)
    assert torch.allclose(found, expected, atol=1e-6)


class Steps(nn.Module):
    """Dropout by name, by function, within a loop, on (batch x time) and between recurrent layers."""

    def __init__(self) -> None:
        super().__init__()
        self.named, self.step = nn.Dropout(0.5), nn.Dropout(0.25)
        self.memory = nn.GRU(4, 4, 2, dropout=0.1, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.named(x)
        x = torch.stack([self.step(x[:, time]) for time in range(x.size(1))], 1)
        x = F.dropout(x.flatten(0, 1), 0.75, self.training).view_as(x)
        return self.memory(x)[0]


def test_every_site_is_found_and_known_by_its_module_and_call() -> None:
    dropout = Dropout(module := Steps(), 2, None)
    with dropout.active():
        module(torch.randn(2, 3, 4))
    assert dropout.found == {
        ModuleSite("named", 0): SiteShape((2, 3, 4), 0.5),
        **{ModuleSite("step", time): SiteShape((2, 4), 0.25) for time in range(3)},
        ModuleSite("", 0): SiteShape((2, 3, 4), 0.75),
        ModuleSite("memory", 0): SiteShape((2, 3, 4), 0.1),
    }
    assert dropout.misplaced == []
    module.eval()
    with dropout.active():
        module(torch.randn(2, 3, 4))
    assert len(dropout.found) == 6  # none of them in evaluation


def test_masks_hang_on_the_training_the_example_and_the_place_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = ModuleSite("a", 0), ModuleSite("b", 1)
    found = {a: SiteShape((2, 3, 4), 0.5), b: SiteShape((2, 5), 0.25)}
    masks = SiteMasks(found, ["one", "other"], [[0, 1], [0, 1]], CPU).draw(7)
    assert {site: tuple(mask.shape) for site, mask in masks.items()} == {a: (2, 2, 3, 4), b: (2, 2, 5)}
    longer = {b: SiteShape((3, 5), 0.25), a: SiteShape((3, 9, 4), 0.5)}  # padded, in another order
    again = SiteMasks(longer, ["other"], [[5, 1, 0]], CPU).draw(7)[a]
    assert torch.equal(again[0, 1, :3], masks[a][1, 1]) and torch.equal(again[0, 2, :3], masks[a][1, 0])
    assert not torch.equal(SiteMasks(found, ["one", "other"], [[0, 1], [0, 1]], CPU).draw(8)[a], masks[a])
    assert {round(value, 4) for value in masks[b].unique().tolist()} <= {0.0, 1.3333}
    monkeypatch.setattr(kernels, "there_are", lambda weights: False)
    by_torch = SiteMasks(found, ["one", "other"], [[0, 1], [0, 1]], CPU).draw(7)
    assert all(torch.equal(by_torch[site], masks[site]) for site in found)


def test_two_calls_of_one_dropout_and_two_dropouts_have_masks_of_their_own() -> None:
    sites = [ModuleSite("a", 0), ModuleSite("a", 1), ModuleSite("b", 0), ModuleSite("b", 1)]
    masks = SiteMasks(dict.fromkeys(sites, SiteShape((2, 3, 4), 0.5)), ["one"], [[0, 1]], CPU).draw(0)
    assert len({tuple(mask.flatten().tolist()) for mask in masks.values()}) == len(sites)


def test_each_call_takes_its_own_mask_in_place_or_not() -> None:
    class Twice(nn.Module):
        def __init__(self, inplace: bool) -> None:
            super().__init__()
            self.drop = nn.Dropout(0.5, inplace)

        def forward(self, x: Tensor) -> Tensor:
            x = x * 1
            first = self.drop(x)
            return torch.stack([x, first, self.drop(first * 1)])

    x, ones, twos = torch.full((2, 3), 5.0), torch.ones(2, 3), torch.full((2, 3), 2.0)
    for inplace, kept in ((False, 5.0), (True, 10.0)):
        module = Twice(inplace)
        with Dropout(module, 2, {ModuleSite("drop", 0): twos, ModuleSite("drop", 1): 3 * ones}).active():
            found = module(x)
        assert found[:, 0, 0].tolist() == [kept, 10.0, 30.0]
        with Dropout(module, 2, None).active():
            assert module(x)[:, 0, 0].tolist() == [5.0, 5.0, 5.0]


def test_torch_answers_what_other_threads_ask_meanwhile_and_all_afterwards() -> None:
    own, attention, lstm, x = (
        F.dropout,
        F.scaled_dot_product_attention,
        nn.LSTM(4, 4, 2, dropout=0.5),
        torch.ones(50, 40),
    )
    begun, asked = threading.Event(), threading.Event()
    module = nn.Dropout(0.5)
    found: list[Tensor] = []

    def elsewhere() -> None:
        begun.wait()
        found.append(F.dropout(x, 0.5))
        found.append(lstm(torch.ones(3, 2, 4))[0])
        asked.set()

    def another() -> None:  # which would replace them too
        begun.wait()
        with Dropout(module, 50, {ModuleSite("", 0): 3 * x}).active():
            found.append(module(x))

    threads = [threading.Thread(target=each) for each in (elsewhere, another)]
    for thread in threads:
        thread.start()
    with Dropout(module, 50, {ModuleSite("", 0): 2 * x}).active():
        begun.set()
        assert asked.wait(10)
        assert torch.equal(module(x), 2 * x)
    for thread in threads:
        thread.join()
    assert set(found[0].unique().tolist()) == {0.0, 2.0} and found[1].shape == (3, 2, 4)
    assert torch.equal(found[2], 3 * x)
    assert F.dropout is own and F.scaled_dot_product_attention is attention


def test_a_probability_that_is_none_is_refused_as_by_torch() -> None:
    with Dropout(nn.Identity(), 2, {}).active(), pytest.raises(ValueError, match="has to be between 0 and 1"):
        F.dropout(torch.ones(2), 1.5)


def test_masks_drop_as_often_as_they_should() -> None:
    found = {ModuleSite("a", call): SiteShape((100, 10, 10), p) for call, p in enumerate((0.1, 0.5, 0.9))}
    masks = SiteMasks(found, ["key"], [range(100)], CPU).draw(0)
    for site, each in found.items():
        assert (masks[site] == 0).float().mean() == pytest.approx(each.p, abs=0.02)
        assert masks[site].mean() == pytest.approx(1, abs=0.12)


def test_masks_go_with_the_example_wherever_it_stands() -> None:
    """Rows change places from update to update where batches are drawn."""
    found, standing = {ModuleSite("drop", 0): SiteShape((3, 40), 0.5)}, [[0, 1, 2], [2, 0, 1]]
    masks = SiteMasks(found, ["one", "other"], standing, CPU)
    of_example = _of(masks, [[0, 1, 2]] * 2)
    for places in ([[1, 2, 0], [0, 2, 1]], [[2, 1, 0], [2, 1, 0]], standing):
        expected = torch.stack([one[rows] for one, rows in zip(of_example, places, strict=True)])
        assert torch.equal(_of(masks, places), expected)
    assert len({tuple(row.tolist()) for row in of_example.flatten(0, 1)}) == 6


def _of(masks: SiteMasks, places: list[list[int]]) -> Tensor:
    masks.move(places)
    return masks.draw(3)[ModuleSite("drop", 0)]
