"""What a learner cannot tell apart whatever its weights are: inputs that differ in order alone, or in length alone.

An encoder without positions gives the same output for `a b a` and `b a a`, at any weights. A rule that says otherwise
is not one that it does not prefer: it has no weights for it. So a learner is tried with weights drawn at random, every
one of them, also those that start at zero, on inputs of the same symbols in another order; and on inputs with the same
shares of symbols in another number. Where no logit moves, the architecture cannot tell them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from indoubt.data.indistinguishable import LENGTH, ORDER
from indoubt.data.vocabulary import EOS
from indoubt.training import Example

#: Logits that move by less than this part of their size have not moved: sums in another order differ by rounding.
ROUNDING = 1e-5
#: Draws of weights; those that are added to what a seed gives have this standard deviation.
DRAWS, NOISE = 2, 0.3
#: For each kind, sources that such a learner cannot tell apart; and outputs so far, for which the next is asked.
ALIKE = {
    ORDER: (
        ((4, 4, 5, 4, 5, 4), (5, 4, 4, 4, 4, 5), (4, 5, 4, 5, 4, 4)),
        ((5, 4, 4, 4), (4, 4, 5, 4), (4, 4, 4, 5)),
        ((5, *(4,) * 23), (*(4,) * 12, 5, *(4,) * 11), (*(4,) * 23, 5)),  # one that sees order within windows alone
    ),
    LENGTH: (((4,), (4, 4), (4, 4, 4, 4), (4,) * 7), ((4, 5), (4, 4, 5, 5), (4, 4, 4, 5, 5, 5))),
}
TARGET = (4, 5, 5, 4, EOS)


def cannot_tell(module: nn.Module, logits: Callable[[Example], Tensor]) -> tuple[str, ...]:
    """Which of `ORDER` and `LENGTH` a module cannot tell.

    Args:
        module: it is left with other weights. One that fails on such weights or inputs is said to tell both, since
            nothing shows that it does not.
        logits: of an example of symbols 4 and 5, (target time, symbols), in evaluation with the module's weights.
    """
    start = {name: weight.detach().clone() for name, weight in module.named_parameters()}
    told: set[str] = set()
    with torch.random.fork_rng(), torch.no_grad():
        for draw in range(DRAWS):
            torch.manual_seed(draw)
            for name, weight in module.named_parameters():
                weight.copy_(start[name] + NOISE * torch.randn_like(weight))
            try:
                told |= {kind for kind, groups in ALIKE.items() if not all(_same(logits, group) for group in groups)}
            except Exception:  # whatever a module of a user's raises
                return ()
    return tuple(kind for kind in ALIKE if kind not in told)


def _same(logits: Callable[[Example], Tensor], sources: Sequence[tuple[int, ...]]) -> bool:
    given = [logits(Example((*source, EOS), TARGET)) for source in sources]
    moved = max(float((one - other).abs().max()) for one, other in pairwise(given))
    return moved <= ROUNDING * max(float(each.abs().max()) for each in given)
