"""Under which name results are filed: an engine, the version of its numbers, and what a learner brings of its own.

An engine declares a version of its numbers in `engines/numbers.json`, and golden trainings hold it to them
(`make golden`): moving, renaming or rewording code makes nothing stale, and whoever changes numbers raises the version.
Code that somebody edits must not give results under the old name in the meantime, so the file lists the hashes of the
sources that were seen to give the version's numbers. Sources with another hash file their results under version and
hash, which nothing else takes, until `make golden` has recorded them. The files of `learners/` are held likewise.

    fused-1                          the numbers of engine `fused`
    modules-1-e9a884e8312bfc5a       those of engine `modules`, with the code of a built-in learner
    modules-1-5f0c...-89ec...        with all that a user's own module computes with: code, and values
    fused-1-edited-3ab0b49f1e1c888d  by sources that nobody has held to the golden trainings yet
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from indoubt.engines.registry import ENGINES
from indoubt.files import PACKAGE, ROOT
from indoubt.learner import FairseqLearner, Learner, ModuleLearner
from indoubt.workflow.code_hash import beyond_its_folder, code_hash, file_hash, joined, own_code

NUMBERS = PACKAGE / "engines/numbers.json"
NAME = re.compile(
    r"(?P<version>[a-z_]+-\d+)(?P<edited>-edited-[0-9a-f]{16})?(-(?P<own>[0-9a-f]{16})(?P<values>-[0-9a-f]{16})?)?"
)

#: How ledgers and archives made before there were versions call what is filed under a version now. This table is
#: frozen: nothing is ever added to it. Of engine `modules` the names of built-in learners' files and of Hugging Face
#: types; of each, code from before subnormal numbers were taken for zero, before 128 sources were decoded at once.
EARLIER = {
    "fairseq-1": ("58759b02a096a5cb", "255c0e789411fa8b", "0dbfcb0c9f110150", "2304051fef761315"),
    "fused-1": ("43a2fa2a36f24bbd", "dee2a373e76c8921"),
    "modules-1": ("f2913fbdf62503b1", "e6a02da0bda06793", "202eb9f20859de21"),
    "modules-1-310b23b2ac62315f": ("77bf84d1aae514a5", "e400e0c2e66af438"),  # decoder_only.py
    "modules-1-735e8f20572f4484": ("c60916092e782943", "77e3c3a33d7126b3"),  # transformer.py
    "modules-1-e9a884e8312bfc5a": ("7853ded3b1004f87", "a3cd820e6f6119fe"),  # recurrent.py
    "modules-1-c3e4db35d70786b2": ("73e7997589abf9d9", "c0b73d237f6623e9"),  # mamba.py
    "modules-1-0709ee61cbdf4361": ("e5a2c580f982dc08", "852644ea7f9d3102"),  # s4d.py
}
#: What an engine was in those names, to which hashes of a learner's own code were added. So a learner's own code has
#: the same hash as then, and what was filed under it is found.
_FILE_THEN = {"fairseq": "3ab0b49f1e1c888d", "fused": "e3928735c38ecabc"}
MODULES_THEN = "931a7b0a4e981e07"
#: What classes of a notebook's cells were filed under, with the hash of their code behind it.
NOTEBOOK = "f2913fbdf62503b1"


@dataclass(frozen=True)
class Numbers:
    """The version of an engine's numbers, and the hashes of the sources that were seen to give them."""

    engine: str
    version: int
    sources: tuple[str, ...]

    @property
    def recorded(self) -> bool:
        """Whether today's sources are among them."""
        return sources_hash(self.engine) in self.sources

    @property
    def name(self) -> str:
        """What results without code of a learner's own are filed under."""
        name = f"{self.engine}-{self.version}"
        return name if self.recorded else f"{name}-edited-{sources_hash(self.engine)}"


def numbers_of(engine: str) -> Numbers:
    """What `engines/numbers.json` says of an engine; of a new one nothing yet."""
    declared = json.loads(NUMBERS.read_text(encoding="utf-8")).get(engine, {"version": 1, "sources": []})
    return Numbers(engine, declared["version"], tuple(declared["sources"]))


def sources_hash(engine: str) -> str:
    """Hash of the code of an engine: its syntax trees and its C code, 16 digits."""
    return code_hash(ENGINES[engine].source)


def identity(engine: str, learner: Learner) -> str:
    """The name under which results are filed that an engine gives for a learner.

    A module's file and fairseq's plug-ins have a part in it; weights, which the learner's arguments identify, have not.
    """
    own = None
    if isinstance(learner, ModuleLearner) and (ROOT / learner.file).is_file():
        own = _of_built_in(ROOT / learner.file, own_code(MODULES_THEN, ROOT / learner.file))
    elif isinstance(learner, FairseqLearner) and learner.plugins is not None:
        plugins = list(Path(learner.plugins).resolve().glob("**/*.py"))
        own = joined(sorted([_FILE_THEN[engine], *map(file_hash, plugins)]))
        beyond = beyond_its_folder(plugins, plugins, {"fairseq"})
        own = joined([own, *beyond]) if beyond else own
    return with_own_code(engine, own)


def learners_recorded() -> dict[str, tuple[str, ...]]:
    """Of each file of `learners/`, the hashes of its code that give the same numbers; the first names it."""
    declared = json.loads(NUMBERS.read_text(encoding="utf-8"))["learners"]
    return {stem: tuple(hashes) for stem, hashes in declared.items()}


def _of_built_in(file: Path, own: str) -> str:
    """The hash that names a built-in learner's code: the first of those that give the same numbers."""
    recorded = learners_recorded().get(file.stem, ()) if file.parent == ROOT / "learners" else ()
    return recorded[0] if own in recorded else own


def with_own_code(engine: str, own: str | None) -> str:
    """The name under which an engine's results are filed, for the hash of a learner's own code."""
    name = numbers_of(engine).name
    return name if own is None else f"{name}-{own}"


def same_numbers(name: str) -> tuple[str, ...]:
    """All names that hold what is filed under a name: itself, and what it was called before there were versions."""
    match = NAME.fullmatch(name)
    if match is None or match["edited"]:
        return (name,)
    then = () if match["own"] is None else (match["own"],)
    if match["values"]:  # what no earlier version counted; where there is more code, it has no earlier name either
        then = (*then, f"{NOTEBOOK}-{match['own']}")
    return (name, *then, *EARLIER.get(name, ()))


def without_values(name: str) -> str:
    """A name without the values that a user's own module computes with: with all code, and all that this reads."""
    match = NAME.fullmatch(name)
    return name.removesuffix(match["values"]) if match is not None and match["values"] else name


@cache
def notice(engine: str) -> str | None:
    """What is to be said of an engine whose sources nobody has held to the golden trainings."""
    numbers = numbers_of(engine)
    if numbers.recorded:
        return None
    return (
        f"the code of engine {engine} is not one that is known to give the numbers {engine}-{numbers.version}: its "
        f"results are filed under {numbers.name}, apart from others, until `make golden` has compared the numbers"
    )
