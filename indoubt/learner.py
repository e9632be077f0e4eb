"""A learner, resolved: fairseq's, a module of a file, or Hugging Face's, with every argument that has an effect on it.

A learner is known by its `content`. Where its code or its weights lie is no part of it: code has a hash of its own
(`workflow.identity`), weights have theirs among the arguments. Another kind of learner is a class here, in `TYPES`, and
what resolves its definitions (`learners.resolution`). Of a module there is also what trying it out has shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from indoubt.errors import UserError

#: A part of a configuration, or of what is made of it, by its keys.
Keys = Mapping[str, Any]


@dataclass(frozen=True)
class Learner:
    """What all learners have.

    `arguments` holds those of the model and of its training, each with its value; `updates` is how often it is updated
    in a training, `batch_size` (None: all examples sent so far) how many examples are drawn with replacement for an
    update.
    """

    arguments: dict[str, Any]
    updates: int = 3000
    batch_size: int | None = None

    #: The key that a definition of this kind has.
    kind: ClassVar[str]
    #: The engine that trains and reads all learners of this kind; others may train some of them.
    engine: ClassVar[str]
    #: The field that says where the code or the weights lie that it brings along.
    place_field: ClassVar[str]
    #: What must be known of the tasks that it is measured on: how long examples are, or what its dictionaries hold, by
    #: number or by name.
    needs: ClassVar[Literal["lengths", "dictionaries", "symbols"]]
    #: The packages by whose versions, and the keys of a definition by whose folders, its definitions are resolved.
    packages: ClassVar[tuple[str, ...]] = ()
    folders: ClassVar[tuple[str, ...]] = ()

    @property
    def content(self) -> dict[str, Any]:
        """What identifies it, in the form that digests have always been made of."""
        return {"arguments": self.arguments, "updates": self.updates, "batch_size": self.batch_size}

    @property
    def shelved(self) -> dict[str, Any]:
        """The same in the form that shelves of the ledger and rows are made of: beside a place that is left out."""
        return self.content | {"user_dir": None}

    @property
    def place(self) -> str | None:
        """Where the code or the weights that it brings along lie, if it brings any."""
        place: str | None = getattr(self, self.place_field)
        return place

    @property
    def in_words(self) -> str:
        """What it is, for people."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """The learner for `learner_of_json`: made of what JSON has."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True)
class FairseqLearner(Learner):
    """An architecture of fairseq's, by fairseq's argument names; `plugins` is a folder that may define it."""

    plugins: str | None = None

    kind = "arch"
    engine = "fairseq"
    place_field = "plugins"
    needs = "dictionaries"

    @property
    def arch(self) -> str:
        """The name of the architecture."""
        return str(self.arguments["arch"])

    @property
    def in_words(self) -> str:
        return f"fairseq's {self.arch}"


@dataclass(frozen=True, kw_only=True)
class ModuleLearner(Learner):
    """A class of a file: a path from the project's folder where it lies in it, or the name of a class of a session."""

    file: str

    kind = "module"
    engine = "modules"
    place_field = "file"
    needs = "lengths"
    packages = ("torch",)

    @property
    def class_name(self) -> str:
        """The name of the class; the argument `module` holds it behind the file's stem."""
        return str(self.arguments["module"]).rsplit(".", 1)[1]

    @property
    def in_words(self) -> str:
        return f"class {self.class_name} of {self.file}"


@dataclass(frozen=True)
class HuggingFaceLearner(Learner):
    """An architecture of Hugging Face's; `weights` is the folder of a pretrained one."""

    weights: str | None = None

    kind = "hf"
    engine = "modules"
    place_field = "weights"
    needs = "lengths"
    packages = ("torch", "transformers")
    folders = ("pretrained",)

    @property
    def type(self) -> str:
        """What Hugging Face calls the architecture."""
        return str(self.arguments["hf"])

    @property
    def head(self) -> str:
        """`causal` or `seq2seq`."""
        return str(self.arguments["head"])

    @property
    def config(self) -> dict[str, Any]:
        """The keys of its configuration that are given; the rest is the library's defaults."""
        return dict(self.arguments.get("config", {}))

    @property
    def in_words(self) -> str:
        given = self.arguments
        weights = f", pretrained weights {given['pretrained'][:12]}" if "pretrained" in given else ""
        return f"Hugging Face's {self.type} ({self.head}), transformers {given['transformers']}{weights}"


@dataclass(frozen=True, kw_only=True)
class InContextLearner(Learner):
    """A language model that is not trained and reads T in a prompt; a seed is a prompt.

    `folder` is where it lies, whose content the argument `in_context` is a hash of; `spread` says that it lies on
    several devices, by its layers.
    """

    updates: int = 0
    folder: str
    spread: bool = False

    kind = "in_context"
    engine = "in_context"
    place_field = "folder"
    needs = "symbols"
    packages = ("torch", "transformers")
    folders = ("in_context",)

    @property
    def trained(self) -> bool:
        """Whether it has the folder's weights, and not each seed weights of its own, drawn anew."""
        return bool(self.arguments["weights"] == "trained")

    @property
    def in_words(self) -> str:
        given = self.arguments
        anew = "" if self.trained else ", its weights drawn anew for each seed"
        form = given["format"] if isinstance(given["format"], str) else "of its own"
        return (
            f"the language model of {self.folder} ({given['in_context'][:12]}, {given['dtype']}){anew}, read in "
            f"context: format {form}, symbols {given['symbols']}, copies {given['copies']}, order {given['order']}"
        )


#: Each kind of learner by the key that its definitions have.
TYPES: dict[str, type[Learner]] = {
    each.kind: each for each in (FairseqLearner, ModuleLearner, HuggingFaceLearner, InContextLearner)
}
#: All keys that say what a definition is of; a `grid` becomes several learners before they are read.
KINDS = ("arch", "grid", *(kind for kind in TYPES if kind != "arch"))


def kind_of(definition: Mapping[str, Any]) -> str:
    """Which of `KINDS` a definition is.

    Raises:
        UserError: none, or several.
    """
    kinds = [kind for kind in KINDS if kind in definition]
    if len(kinds) != 1:
        raise UserError(
            f"a definition must have exactly one of {', '.join(KINDS)}; this one has {' and '.join(kinds) or 'none'}"
        )
    return kinds[0]


def type_of(definition: Mapping[str, Any]) -> type[Learner]:
    """The kind of learner that a definition is of, as far as it says; one that says none is refused by `kind_of`."""
    return next((TYPES[kind] for kind in TYPES if kind in definition), FairseqLearner)


def learner_of_json(content: Mapping[str, Any]) -> Learner:
    """The learner that `to_json` wrote, or that an earlier version did, which called every place `user_dir`.

    Raises:
        UserError: it is no learner.
    """
    fields = dict(content)
    try:
        arguments = fields["arguments"]
        kind = fields.pop("kind", None) or next(kind for kind in TYPES if kind in arguments)
        if "user_dir" in fields:
            fields[TYPES[kind].place_field] = fields.pop("user_dir")
        return TYPES[kind](**fields)
    except (KeyError, TypeError, StopIteration) as error:
        raise UserError(f"{content!r:.80} is no learner that this version knows ({type(error).__name__})") from None


#: Examples of the larger of the two batches that are timed.
EIGHT = 8


@dataclass(frozen=True)
class TriedOut:
    """
    `weights` is how many numbers the learner trains or holds, for dictionaries of 8 symbols. `alone` says why its
    models are trained one at a time, or is None; `notes` is what else a user should know. `seconds` is what an update
    of T of add-or-mul/5 takes on one CPU thread, per model of a full lockstep, and `seconds_of_eight` what one of
    `EIGHT` such examples does, rounded to powers of sqrt(2): job sizes hang on them. `in_place` is whether its dropout
    writes into what it is given, and `cannot_tell` what it cannot tell apart (`data.indistinguishable`).
    """

    weights: int
    alone: str | None
    notes: list[str]
    seconds: float
    seconds_of_eight: float
    in_place: bool = False
    cannot_tell: tuple[str, ...] = ()


@dataclass(frozen=True)
class LookedAt:
    """What looking at the folder of a language model has shown.

    `type` is Hugging Face's name of its architecture, `reads` the longest that it reads, in tokens (None: any length),
    `vocabulary` how many tokens it tells apart. A prompt begins with `head` tokens, and `around` of an example's are
    none of its symbols. `seconds` is what reading a token takes on one CPU thread, many together, rounded to a power of
    sqrt(2); `kept` the bytes that are kept of it.
    """

    type: str
    weights: int
    reads: int | None
    vocabulary: int
    head: int
    around: int
    seconds: float
    kept: int
