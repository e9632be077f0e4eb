"""Weights and gradients of many models of one shape: flat tensors, seen through named views.

The gradient of a large weight is kept as the product that it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from indoubt.engines.fused import kernels

#: Each block starts, and flat tensors end, on a multiple of this many numbers. So no register is loaded from two lines
#: of the cache, and no element ever falls into the tail of a vectorised loop, which may round differently: an element's
#: result must not depend on how many models stand before it.
ALIGNMENT = 64


@dataclass(frozen=True)
class Block:
    """One weight of a fused learner: one of fairseq's, several joined along dimension `dim`, or one transposed."""

    name: str
    parts: tuple[str, ...]
    dim: int = 0
    transposed: bool = False


class Parameters:
    """The weights of `models` models of one learner.

    `values[name]` is a view of shape (models, *shape) into the flat tensor `flat`, contiguous for each name. They lie
    in the order of their sizes; `extents[name]` is where, with the zeros that follow.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        shapes: Mapping[str, torch.Size],
        models: int,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Zeros.

        Args:
            blocks: the learner's weights; each of fairseq's parameters must be part of exactly one.
            shapes: shape of each of fairseq's parameters, by its name.

        Raises:
            ValueError: a parameter is in no block, or in two.
        """
        parts = [part for block in blocks for part in block.parts]
        if sorted(parts) != sorted(shapes):
            raise ValueError(f"blocks and parameters differ: {sorted(set(parts) ^ set(shapes)) or 'one comes twice'}")
        self.shapes, self.models = dict(shapes), models
        self.blocks = sorted(blocks, key=lambda block: _joined_shape(block, shapes).numel())
        block_shapes = [_joined_shape(block, shapes) for block in self.blocks]
        sizes = [models * shape.numel() for shape in block_shapes]
        places = list(accumulate((-(-size // ALIGNMENT) * ALIGNMENT for size in sizes), initial=0))
        self.flat = torch.zeros(places[-1], device=device, dtype=dtype)
        self.values: dict[str, Tensor] = {}
        self.extents: dict[str, slice] = {}
        for block, (place, end), size, shape in zip(self.blocks, pairwise(places), sizes, block_shapes, strict=True):
            self.values[block.name] = self.flat[place : place + size].view(models, *shape)
            self.extents[block.name] = slice(place, end)

    def like(self, models: int | None = None) -> Parameters:
        """Zeros of the same form, for as many models or for `models` of them."""
        models = self.models if models is None else models
        return Parameters(self.blocks, self.shapes, models, self.flat.device, self.flat.dtype)

    def select(self, rows: Sequence[int]) -> Parameters:
        """Some models' weights, in the order of `rows`: a copy, or, of all of them in order, the weights themselves."""
        if list(rows) == list(range(self.models)):
            return self
        chosen = self.like(len(rows))
        index = torch.tensor(rows, device=self.flat.device)
        for name, value in self.values.items():
            torch.index_select(value, 0, index, out=chosen.values[name])
        return chosen

    def put(self, row: int, other: Parameters, other_row: int) -> None:
        """Set one model's weights from a model of `other`."""
        for name, value in self.values.items():
            value[row] = other.values[name][other_row]

    def load(self, row: int, state: Mapping[str, Tensor]) -> None:
        """Set one model's weights from fairseq's, by fairseq's names."""
        for block in self.blocks:
            joined = torch.cat([state[part] for part in block.parts], block.dim)
            self.values[block.name][row].copy_(joined.T if block.transposed else joined)

    def export(self, row: int) -> dict[str, Tensor]:
        """Copies of one model's weights under fairseq's names, in fairseq's shapes."""
        state: dict[str, Tensor] = {}
        for block in self.blocks:
            sizes = [self.shapes[part][block.dim] for part in block.parts]
            value = self.values[block.name][row]
            pieces = (value.T if block.transposed else value).split(sizes, block.dim)
            state |= {
                part: piece.clone(memory_format=torch.contiguous_format)
                for part, piece in zip(block.parts, pieces, strict=True)
            }
        return state

    def per_model(self) -> list[Tensor]:
        """Each block as a view of shape (models, numbers)."""
        return [value.view(self.models, -1) for value in self.values.values()]

    def finite(self) -> Tensor:
        """Whether each model's weights are all finite: shape (models,), booleans."""
        largest = [torch.linalg.vector_norm(block, torch.inf, 1) for block in self.per_model()]
        return torch.stack(largest, 1).isfinite().all(1)


def _joined_shape(block: Block, shapes: Mapping[str, torch.Size]) -> torch.Size:
    shape = list(shapes[block.parts[0]])
    shape[block.dim] = sum(shapes[part][block.dim] for part in block.parts)
    return torch.Size(shape[::-1] if block.transposed else shape)


#: With more rows than this the norm of a gathered gradient is more expensive from its factors than from itself.
FEW_ROWS = 256


@dataclass(frozen=True)
class Gathered:
    """The gradient `left^T right - along * weight`, of shape (models, out, in), not yet multiplied out.

    `left` (models, rows, out), `right` (models, rows, in); `along` (models, in) or None. What `along` takes away is the
    part of each column that lies along the weight's, so that the rest is orthogonal to it; `lengths` (models, in) are
    the norms of the weight's columns then.
    """

    left: Tensor
    right: Tensor
    weight: Tensor
    along: Tensor | None = None
    lengths: Tensor | None = None

    def form(self, out: Tensor) -> None:
        """Multiply out."""
        if kernels.serve(self.weight):
            for left, right, product in zip(self.left, self.right, out, strict=True):
                kernels.bound_product(kernels.transposed(left), right.contiguous(), product)()
        else:
            torch.bmm(self.left.mT, self.right, out=out)
        if self.along is not None:
            out.addcmul_(self.weight, self.along[:, None], value=-1)

    def most(self) -> Tensor:
        """What each model's squared norm is at most, (models,), whichever way the rows' outer products point."""
        left, right = (torch.linalg.vector_norm(rows, dim=2) for rows in (self.left, self.right))
        total: Tensor = (left * right).sum(1)
        return total.square()

    def squared_norm(self) -> Tensor:
        """Each model's squared norm, (models,): a sum over pairs of rows of the products of their scalar products.

        In double precision, since rows that cancel out leave little of large sums.
        """
        left, right = self.left.double(), self.right.double()
        total = (torch.bmm(left, left.mT) * torch.bmm(right, right.mT)).sum((1, 2))
        if self.along is not None and self.lengths is not None:
            total -= (self.along * self.lengths).double().square().sum(1)
        return total.clamp(min=0).to(self.left.dtype)


class Gradients(Parameters):
    """Gradients of weights, by the weights' names; those in `gathered` are there, the others in `values`."""

    def __init__(self, weights: Parameters) -> None:
        super().__init__(weights.blocks, weights.shapes, weights.models, weights.flat.device, weights.flat.dtype)
        self.gathered: dict[str, Gathered] = {}
        self._formed: dict[tuple[str, ...], list[slice]] = {}  # what `formed` gives, by what is gathered
        #: Weights whose gradient is not worth a pass through memory: the kernels' step takes its factors.
        self._large = {name for name, value in self.values.items() if kernels.serve(value)}

    def gather(self, name: str, gradient: Gathered) -> None:
        """Set a weight's gradient to a sum of outer products."""
        if name in self._large and gradient.left.size(1) <= FEW_ROWS:
            self.gathered[name] = gradient
        else:
            gradient.form(self.values[name].view(gradient.weight.shape))

    def form(self) -> None:
        """Multiply out all that is only gathered."""
        for name, gradient in self.gathered.items():
            gradient.form(self.values[name].view(gradient.weight.shape))
        self.gathered.clear()

    def formed(self) -> list[slice]:
        """Where what is not gathered lies in `flat`, in as few pieces as there are."""
        gathered = tuple(self.gathered)
        if gathered not in self._formed:
            pieces: list[slice] = []
            for name, extent in self.extents.items():
                if name not in gathered:
                    if pieces and pieces[-1].stop == extent.start:
                        extent = slice(pieces.pop().start, extent.stop)
                    pieces.append(extent)
            self._formed[gathered] = pieces
        return self._formed[gathered]

    def parts(self) -> list[Tensor]:
        """What is not gathered, as views (models, numbers): by blocks, or in few pieces of a model that is alone."""
        if self.gathered and self.models == 1:
            return [self.flat[piece][None] for piece in self.formed()]
        return [value.view(self.models, -1) for name, value in self.values.items() if name not in self.gathered]

    def norms(self) -> Tensor:
        """Each model's norm over all its gradients: shape (models,)."""
        return self._norms([gradient.squared_norm() for gradient in self.gathered.values()])

    def norms_at_most(self) -> Tensor:
        """What `norms` does not exceed, but for rounding: nearly nothing to compute, and seldom far above."""
        return self._norms([gradient.most() for gradient in self.gathered.values()])

    def _norms(self, of_gathered: list[Tensor]) -> Tensor:
        squared = [torch.linalg.vector_norm(part, dim=1).square() for part in self.parts()]
        return torch.stack([*squared, *of_gathered], 1).sum(1).sqrt()

    def export(self, row: int) -> dict[str, Tensor]:
        """Copies of one model's gradients under fairseq's names, in fairseq's shapes."""
        self.form()
        return super().export(row)
