"""Gradients of the weights of many models; that of a large weight is kept as the product that it is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from indoubt.engines.fused.arrays import kernels
from indoubt.engines.fused.arrays.parameters import Parameters

#: With more rows than this the norm of a gathered gradient is dearer from its factors than from itself.
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
