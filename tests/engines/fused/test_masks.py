"""Dropout masks depend on the training, the update and the place within an example, and on nothing else."""

from __future__ import annotations

import torch
from side_by_side import CPU

from indoubt.engines.fused.dropout import DropoutMasks, Site

PLACES = [[0, 1, 2], [2, 0, 1]]


def draw(sites: list[Site], keys: list[str], places: list[list[int]], update: int = 5) -> dict[str, torch.Tensor]:
    return DropoutMasks(sites, keys, places, CPU).draw(torch.tensor(update))


def test_padding_more_changes_no_mask() -> None:
    short = draw([Site("in", 3, 8, 0.5), Site("out", 4, 6, 0.3)], ["a", "b"], PLACES)
    long = draw([Site("in", 7, 8, 0.5), Site("out", 9, 6, 0.3)], ["a", "b"], [[*row, 3, 4] for row in PLACES])
    assert torch.equal(short["in"], long["in"][:, :3, :3])
    assert torch.equal(short["out"], long["out"][:, :3, :4])


def test_other_trainings_change_no_mask() -> None:
    sites = [Site("in", 3, 8, 0.5)]
    together = draw(sites, ["a", "b"], PLACES)["in"]
    assert torch.equal(together[1:], draw(sites, ["b"], PLACES[1:])["in"])


def test_masks_follow_the_example_not_its_row() -> None:
    sites = [Site("in", 3, 8, 0.5)]
    first, second = draw(sites, ["a"], [[0, 1, 2]])["in"][0], draw(sites, ["a"], [[2, 0, 1]])["in"][0]
    assert torch.equal(first, second[[1, 2, 0]])


def test_all_else_changes_masks() -> None:
    sites = [Site("in", 40, 40, 0.5), Site("out", 40, 40, 0.5)]
    masks = draw(sites, ["a", "b"], [[0, 1], [0, 1]])
    fields = [masks["in"][0, 0], masks["in"][0, 1], masks["in"][1, 0], masks["out"][0, 0], masks["in"][0, 0].T]
    fields.append(draw(sites, ["a"], [[0, 1]], update=6)["in"][0, 0])
    for i, one in enumerate(fields):
        for other in fields[:i]:
            assert 0.45 < float((one == other).float().mean()) < 0.55


def test_masks_keep_as_many_as_they_should_and_the_mean() -> None:
    mask = draw([Site("in", 100, 100, 0.3)], ["a"], [[0]])["in"]
    assert set(mask.unique().tolist()) == {0.0, float(torch.tensor(1 / 0.7))}
    assert abs(float((mask == 0).float().mean()) - 0.3) < 0.02


def test_neighbouring_updates_features_and_positions_are_uncorrelated() -> None:
    masks = [draw([Site("in", 200, 64, 0.5)], ["a"], [[0]], update)["in"].squeeze() - 1 for update in (1, 2)]
    for shifted in (masks[0][1:] * masks[0][:-1], masks[0][:, 1:] * masks[0][:, :-1], masks[0] * masks[1]):
        assert abs(float(shifted.mean())) < 4 / shifted.numel() ** 0.5


def test_a_site_without_dropout_has_no_mask() -> None:
    assert set(draw([Site("in", 3, 8, 0.0), Site("out", 3, 8, 0.5)], ["a"], [[0]])) == {"out"}
    assert draw([Site("in", 3, 8, 0.0)], ["a"], [[0]]) == {}
