"""All that a module holds and may compute with: weights, buffers, and plain values in its attributes.

A forward pass may change any of them (a teacher that follows, a step that is counted), so that the weights alone are
not the state of a training.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

#: By name: weights and buffers (`tensors`), which of them need a gradient (`trained`), plain attributes (`attributes`).
Contents = dict[str, dict[str, Any]]
#: What every module has in its attributes.
_TORCHS = set(vars(nn.Module()))
#: Types whose values never change.
_PLAIN = {type(None), bool, int, float, str}
#: Stands for a value that is not plain: an object, a function, a list that holds a weight.
_NOT_PLAIN = object()


def contents_of(module: nn.Module) -> Contents:
    """Copies of what a module holds now, as `torch.load(weights_only=True)` accepts them."""
    tensors = {name: value.detach().clone() for name, value in _tensors(module).items()}
    attributes = {}
    for name, owner, attribute in _places(module):
        value = _copied(vars(owner)[attribute])
        if value is not _NOT_PLAIN:
            attributes[name] = value
    trained = {name: value.requires_grad for name, value in module.named_parameters()}
    return {"tensors": tensors, "trained": trained, "attributes": attributes}


@torch.no_grad()
def put_back(module: nn.Module, contents: Contents) -> None:
    """Give a module what it held when `contents` were taken, of itself or of one built alike.

    Tensors of the same form are written into, so that what shares memory goes on sharing it.
    """
    found = _tensors(module)
    for name, value in contents["tensors"].items():
        path, _, own = name.rpartition(".")
        if name in found and found[name].shape == value.shape:
            found[name].copy_(value)
        else:  # a table that grows
            setattr(module.get_submodule(path), own, value.clone())
    for name, weight in module.named_parameters():
        weight.requires_grad_(contents["trained"].get(name, weight.requires_grad))
    for name, owner, attribute in _places(module):
        if name in contents["attributes"]:
            setattr(owner, attribute, _written(getattr(owner, attribute), contents["attributes"][name]))
    for name in contents["attributes"].keys() - {name for name, _, _ in _places(module)}:
        path, _, attribute = name.rpartition(".")
        setattr(module.get_submodule(path), attribute, _copied(contents["attributes"][name]))


def changed(before: Contents, after: Contents) -> list[str]:
    """The names of what differs, weights and buffers first."""
    return [
        name
        for kind in ("tensors", "trained", "attributes")
        for name in {**before[kind], **after[kind]}
        if not same_value(before[kind].get(name, _NOT_PLAIN), after[kind].get(name, _NOT_PLAIN))
    ]


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def _places(module: nn.Module) -> list[tuple[str, nn.Module, str]]:
    """Each attribute that is no part of every module: its name, whose it is, and what it is called there."""
    return [
        (f"{path}.{attribute}" if path else attribute, owner, attribute)
        for path, owner in module.named_modules()
        for attribute in vars(owner)
        if attribute not in _TORCHS
    ]


def plain_copy(value: Any) -> tuple[Any, bool]:
    """A copy of a value, and whether it is plain: a number, a text, a tensor, or lists and dictionaries of them."""
    copy = _copied(value)
    return copy, copy is not _NOT_PLAIN


def _copied(value: Any) -> Any:
    """A copy of a plain value, or `_NOT_PLAIN`."""
    if type(value) in _PLAIN:
        return value
    if type(value) is Tensor:  # and no nn.Parameter, which is a weight by another way
        return value.detach().clone()
    if type(value) in (list, tuple):
        parts = [_copied(each) for each in value]
        return _NOT_PLAIN if any(each is _NOT_PLAIN for each in parts) else type(value)(parts)
    if type(value) is dict:
        filled = {key: _copied(each) for key, each in value.items()}
        plain_keys = all(type(key) in _PLAIN for key in filled)
        return filled if plain_keys and all(each is not _NOT_PLAIN for each in filled.values()) else _NOT_PLAIN
    return _NOT_PLAIN


def _written(now: Any, then: Any) -> Any:
    """What an attribute becomes that holds `now` and held `then`."""
    if type(now) is Tensor and isinstance(then, Tensor) and now.shape == then.shape and now.dtype == then.dtype:
        return now.copy_(then)
    if type(now) is list and isinstance(then, list):
        if len(now) == len(then):
            now[:] = [_written(one, other) for one, other in zip(now, then, strict=True)]
        else:
            now[:] = _copied(then)
        return now
    return _copied(then)


def same_value(one: Any, other: Any) -> bool:
    """Whether two plain values are of one type and equal; of tensors also their shapes."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        same = one.shape == other.shape and one.dtype == other.dtype
        return same and bool(torch.equal(one.nan_to_num(), other.nan_to_num()))
    if isinstance(one, list | tuple) and type(one) is type(other):
        return len(one) == len(other) and all(map(same_value, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_value(one[key], other[key]) for key in one)
    return type(one) is type(other) and bool(one == other or one != one)
