"""The configuration's schema, and errors that name the key, the value and what is allowed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from indoubt.data.codes import FIRST, Blocks, CodeKind, Codes
from indoubt.data.seeds import MOST, parse_seeds
from indoubt.engines.registry import ENGINES
from indoubt.errors import nearest
from indoubt.learners.sweeps import AT_MOST
from indoubt.training import Protocol

Measure = Literal["fpa", "code_length"]
#: The engines between which a configuration chooses: those that train fairseq's learners.
if TYPE_CHECKING:
    OfFairseq = str
else:
    OfFairseq = Literal[tuple(sorted((name for name, each in ENGINES.items() if "arch" in each.kinds), reverse=True))]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class UntilSure(_Strict):
    """Seeds in steps: from 1 to `from`, and on, so many more each time, to at most `at_most`, until it is sure."""

    first: int = Field(alias="from", ge=1)
    at_most: int = Field(ge=1, le=MOST)
    until: Literal["sure"]

    @model_validator(mode="after")
    def _goes_up(self) -> UntilSure:
        if self.first > self.at_most:
            raise ValueError(f"`from` is {self.first}, above `at_most`, {self.at_most}; a run starts with `from` seeds")
        return self


class Experiment(_Strict):
    """What is measured of some learners on one task: sizes x learners x seeds x measures."""

    task: str
    sizes: list[int] | None = None
    learners: list[str] = Field(min_length=1)
    seeds: list[int] | UntilSure | None = None
    measures: list[Measure] = Field(default=["fpa", "code_length"], min_length=1)
    candidates: list[str] | None = None
    milestones: list[int] = []
    milestone_measures: list[Measure] = ["fpa"]
    codes: Codes | None = None
    blocks: Blocks | None = None

    @property
    def measures_codes(self) -> bool:
        """Whether it measures code lengths; those of the first block, which T gives, need no other word of it."""
        return "code_length" in self.measures or self.codes == FIRST

    @field_validator("milestones")
    @classmethod
    def _rise(cls, milestones: list[int]) -> list[int]:
        if any(update < 1 for update in milestones) or len(set(milestones)) < len(milestones):
            raise ValueError(f"milestones are different numbers of updates from 1 on, they are {milestones}")
        return sorted(milestones)

    @model_validator(mode="after")
    def _looks_at_what_is_measured(self) -> Experiment:
        absent = sorted(set(self.milestone_measures) - set(self.measures))
        if self.milestones and absent:
            raise ValueError(
                f"milestones are of measures that are taken: {absent[0]} is not among `measures`; add it there, or say "
                "under `milestone_measures` which measures to take at milestones"
            )
        return self

    @field_validator("seeds", mode="before")
    @classmethod
    def _read_seeds(cls, value: object) -> object:
        return value if value is None or isinstance(value, dict) else parse_seeds(value)


class OwnKeys(_Strict):
    """What a learner's definition may hold beside the arguments of its architecture; what it gives goes before the
    configuration's own.
    """

    updates: int | None = Field(default=None, ge=1)
    batch_size: int | None = Field(default=None, ge=1)
    user_dir: str | None = None


class Config(_Strict):
    """The whole configuration; `config.yaml` explains every key."""

    engine: OfFairseq = "fused"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    protocol: Literal["released"] | None = None
    adam_state: Literal["fresh", "carried"] | None = None
    rng_streams: Literal["independent", "released"] | None = None
    min_len: Literal[0, 1] | None = None
    updates: int = Field(default=3000, ge=1)
    batch_size: int | None = Field(default=None, ge=1)
    keep_checkpoints: Literal["none", "T"] = "none"
    seeds_per_job: int | None = Field(default=None, ge=1)
    blocks_per_job: int | None = Field(default=None, ge=1)
    job_minutes: float | None = Field(default=None, gt=0)
    slots_per_gpu: int = Field(default=1, ge=1)
    learners_at_most: int = Field(default=AT_MOST, ge=1)
    task_folder: str | None = None
    learner_folder: str | None = None
    measured_by: dict[str, str] = {}
    models: dict[str, str] = {}
    codes: Codes = "full"
    blocks: Blocks = "task"
    found: bool = True
    learners: dict[str, dict[str, Any]]
    experiments: list[Experiment] = Field(min_length=1)

    @field_validator("job_minutes", mode="before")
    @classmethod
    def _read_minutes(cls, value: object) -> object:
        return float(value) if type(value) is int else value

    @field_validator("learners")
    @classmethod
    def _check_own_keys(cls, learners: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        faults = []
        for name, definition in learners.items():
            own = {key: value for key, value in definition.items() if key.replace("-", "_") in OwnKeys.model_fields}
            if "updates" in own and own["updates"] is None:
                faults.append(f"learner {name!r}: updates: it is null; leave it out to take the configuration's")
                continue
            try:
                OwnKeys.model_validate({key.replace("-", "_"): value for key, value in own.items()})
            except ValidationError as error:
                faults += [f"learner {name!r}: {sentence(e).strip()}" for e in error.errors()]
        if faults:
            raise ValueError("; ".join(faults))
        return learners

    @model_validator(mode="after")
    def _released_is_whole(self) -> Config:
        parts = {k: getattr(self, k) for k in ("adam_state", "rng_streams", "min_len") if getattr(self, k) is not None}
        if self.protocol == "released" and parts:
            raise ValueError(
                f"`protocol: released` already says adam_state, rng_streams and min_len; leave out {', '.join(parts)}"
            )
        return self

    def code_of(self, experiment: Experiment) -> CodeKind | None:
        """How an experiment measures code lengths; None: it does not."""
        if not experiment.measures_codes:
            return None
        codes = experiment.codes or self.codes
        return CodeKind(codes, "task" if codes == FIRST else experiment.blocks or self.blocks)

    def resolved_protocol(self) -> Protocol:
        """The three parts of the protocol, with defaults filled in."""
        if self.protocol == "released":
            return Protocol("carried", "released", 1)
        return Protocol(self.adam_state or "fresh", self.rng_streams or "independent", self.min_len or 0)


def sentence(error: Any) -> str:
    """One of pydantic's errors as a sentence, two blanks in front."""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).lstrip(".")
    kind, value = error["type"], error["input"]
    if kind == "extra_forbidden":
        schema = Experiment if len(error["loc"]) > 1 else Config
        key = error["loc"][-1]
        known = sorted(schema.model_fields)
        return f"  unknown key {place!r}{nearest(key, known)}; the keys here are {', '.join(known)}"
    if kind == "missing":
        return f"  {place}: this key is missing"
    if kind == "literal_error":
        expected = error["ctx"]["expected"]
        hint = nearest(value, re.findall(r"'([^']*)'", expected))
        return f"  {place}: {value!r} is not allowed, it must be {expected}{hint}"
    if kind == "string_type" and isinstance(value, bool | int | float):
        where = re.sub(r"\[[^]]*\]\.\[key\]$", ": a key", place)
        return f"  {where}: YAML reads no, on, 1 and their like as no text, here as {value!r}; write it in quotes"
    message = error["msg"].removeprefix("Value error, ")
    return f"  {place or 'protocol'}: {message}" + ("" if kind == "value_error" else f", it is {value!r}")
