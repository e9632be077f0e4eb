"""The engines: of each what a plan must know of it, and where its code is. The one place where an engine is entered.

Nothing is imported before it is asked for: plans are made without torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from indoubt.errors import UserError, nearest
from indoubt.learner import Learner
from indoubt.training import Result, Training

if TYPE_CHECKING:
    import torch

    #: The result of a training whose model was kept: scored and decoded, not trained again.
    EvaluateKept = Callable[[Training, torch.nn.Module, torch.device], Result]


class TrainChains(Protocol):
    """What an engine offers: train chains, yield each result as it is there, go on from saved states."""

    def __call__(
        self,
        chains: Sequence[Sequence[Training]],
        device: torch.device,
        *,
        state_folder: Path | None = None,
        keep: Callable[[Training, torch.nn.Module], None] | None = None,
    ) -> Iterator[Result]: ...


@dataclass(frozen=True)
class Rates:
    """Seconds of an update, and of each number read, operation and weight of its work (`workflow.cost.Work`)."""

    update: float
    read: float
    operation: float
    weight: float


@dataclass(frozen=True)
class Engine:
    """An engine: `engine.py` of its folder has `train_chains` and, of one that trains, `evaluate_kept`.

    Args:
        kinds: the kinds of learner that it trains, by the key of their definitions.
        decoded: seconds that a symbol of an output takes to decode, of all sources that are decoded together.
        mb_per_symbol: memory that a symbol of a batch takes on a CPU, measured up to 4,600 symbols.
        rates: what an update takes, by kind of fairseq's architectures, at hidden size 512 (`benchmarks/rates.py`).
        together: it gains by many trainings at once, so that a job takes some minutes and much memory.
        padded: it computes on padding, too.
        of_prompts: nothing is trained, and a seed is a prompt.
        evaluated_by: the engine that reads models that were kept, where that is another.
    """

    name: str
    kinds: tuple[str, ...]
    decoded: float = 0.0
    mb_per_symbol: float = 0.0
    rates: Mapping[str, Rates] = field(default_factory=dict)
    together: bool = True
    padded: bool = False
    of_prompts: bool = False
    evaluated_by: str | None = None

    @property
    def train_chains(self) -> TrainChains:
        """Trains chains of trainings of one learner."""
        train_chains: TrainChains = _code(self.name).train_chains
        return train_chains

    @property
    def evaluate_kept(self) -> EvaluateKept:
        """Scores and decodes with a model that was kept."""
        evaluate_kept: EvaluateKept = _code(self.evaluated_by or self.name).evaluate_kept
        return evaluate_kept

    @property
    def source(self) -> str:
        """The file that its numbers come from, with all that this imports."""
        return f"indoubt/engines/{self.name}/engine.py"

    def in_words(self, updates: int) -> str:
        """How it treats a learner of so many updates."""
        how = ": nothing is trained, a seed is a prompt" if self.of_prompts else f", {updates:,} updates"
        return f"engine {self.name}{how}"


def _code(name: str) -> Any:
    return import_module(f"indoubt.engines.{name}.engine")


#: Beside rates, how near they came to what was measured. The version of an engine's numbers is in `numbers.json`.
ENGINES = {
    engine.name: engine
    for engine in (
        Engine(
            "fairseq",
            kinds=("arch",),
            decoded=0.005,
            mb_per_symbol=0.03,
            rates={
                "transformer": Rates(6.9e-03, 0, 9.87e-11, 0),  # 0.76 to 1.23 of 8 shapes
                "lstm": Rates(0, 1.62e-09, 1.48e-11, 1.11e-09),  # 0.65 to 1.64 of 16
                "fconv": Rates(2.6e-02, 0, 1.17e-11, 0),  # 0.89 to 1.15 of 8
            },
            together=False,
            padded=True,
        ),
        Engine(
            "fused",
            kinds=("arch",),
            decoded=0.001,
            mb_per_symbol=0.12,  # of 33 Transformers at a time
            rates={
                "transformer": Rates(2.2e-05, 0, 1.44e-11, 0),  # 0.90 to 1.10 of 8 shapes
                "lstm": Rates(0, 1.32e-10, 1.16e-11, 1.11e-09),  # 0.87 to 1.10 of 9
                "fconv": Rates(5.6e-03, 0, 1.31e-11, 0),  # 0.94 to 1.06 of 8
            },
            evaluated_by="fairseq",
        ),
        Engine("modules", kinds=("module", "hf"), decoded=0.001, mb_per_symbol=0.12),  # memory: as of `fused`
        Engine("in_context", kinds=("in_context",), of_prompts=True),
    )
}
#: Those that train nothing.
OF_PROMPTS = frozenset(name for name, engine in ENGINES.items() if engine.of_prompts)


def engine_named(name: str) -> Engine:
    """The engine of this name.

    Raises:
        UserError: there is none.
    """
    if name not in ENGINES:
        raise UserError(f"no engine {name!r}; there are {', '.join(ENGINES)}{nearest(name, ENGINES)}")
    return ENGINES[name]


def engine_of(learner: Learner, chosen: str, why_not: str | None) -> str:
    """The engine that trains a learner: the chosen one, if it trains its kind and has a form for it; else its kind's.

    Args:
        why_not: why the chosen one has no form for it; None: it has.
    """
    return chosen if learner.kind in ENGINES[chosen].kinds and why_not is None else learner.engine
