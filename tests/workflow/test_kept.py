"""`keep_checkpoints: T`: what is asked later is read off kept weights, by the code that trained them alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from indoubt.training import Result, Training
from indoubt.workflow import jobs
from indoubt.workflow.config_files import content_of
from indoubt.workflow.job import Job, Places
from indoubt.workflow.jobs import measured
from indoubt.workflow.ledger import FROM_KEPT, Record, read_records
from indoubt.workflow.missing import KEPT, MORE, Reasons, as_measured, standings
from indoubt.workflow.plan import Plan

TINY = {"encoder_embed_dim": 8, "decoder_embed_dim": 8, "encoder_ffn_embed_dim": 8, "decoder_ffn_embed_dim": 8}
HEADS = {"encoder_attention_heads": 1, "decoder_attention_heads": 1, "encoder_layers": 1, "decoder_layers": 1}
LEARNERS = {
    "transformer": TINY | HEADS,
    "mine": {"module": "decoder_only", "width": 8, "ffn": 8, "heads": 1},
}
ENGINES = [("fairseq", "transformer"), ("fused", "transformer"), ("modules", "mine")]
FEW = ["fpa"]
MORE_ASKED = ["fpa", "code_length"]


class Nobody:
    def begin(self, total: int, to_do: int) -> None: ...

    def trained(self, training: Training, result: Result) -> None: ...


class Kept:
    """A learner of an engine, one seed of a small task; its ledger and its kept weights."""

    def __init__(self, folder: Path, engine: str, learner: str) -> None:
        self.folder, self.engine, self.learner = folder, engine, learner
        self.places = Places(folder / "ledger", checkpoints=folder / "checkpoints")

    def plan(self, measures: list[str]) -> Plan:
        experiment = {"task": "hierar-or-linear", "learners": [self.learner], "seeds": 1, "measures": measures}
        content = content_of([], []) | {"experiments": [experiment], "updates": 4, "blocks_per_job": 9}
        content["engine"] = "fused" if self.engine == "modules" else self.engine
        content["learners"] = {self.learner: content["learners"].get(self.learner, {}) | LEARNERS[self.learner]}
        return Plan(content, self.folder / "cache")

    def measure(self, measures: list[str], places: Places | None = None, code: str | None = None) -> list[Any]:
        """The scores of T's model and its decoded outputs."""
        plan = self.plan(measures)
        (cell,) = plan.cells.values()
        (chunk,) = plan.chunks(cell)
        job = Job.from_json(json.dumps(plan.job(cell, chunk) | ({} if code is None else {"engine_hash": code})))
        rows = measured(job, as_measured(plan, cell).datasets, places or self.places, torch.device("cpu"), Nobody())
        return [row.get("nats", row.get("outputs")) for row in rows if row.get("block", 1) == 1]

    def of_t(self) -> list[Record]:
        """The records of T's training, as they were written."""
        shelves = (self.folder / "ledger").glob("*/*/")
        found = [record for shelf in shelves for record in read_records(shelf) if record.note["block"] == 0]
        return sorted(found, key=lambda record: record.time)

    def reason(self) -> set[str]:
        """Why `make plan` says that T's training is asked for again."""
        plan = self.plan(MORE_ASKED)
        (standing,) = standings(plan, self.folder / "ledger")
        standing.missing = [training for training in standing.missing if training.block == 0]
        return set(Reasons(self.folder / "ledger", self.folder / "checkpoints").of(plan, standing))


@pytest.fixture(params=ENGINES, ids=[engine for engine, _ in ENGINES])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    """After FPA alone was measured."""
    made = Kept(tmp_path, *request.param)
    made.measure(FEW)
    (file,) = (tmp_path / "checkpoints").glob("*/*.pt")
    assert len(made.of_t()) == 1 and file.stem == made.of_t()[0].result.key
    return made


def test_what_is_asked_later_is_read_off_and_is_what_training_again_gives(kept: Kept) -> None:
    assert kept.reason() == {KEPT}
    read_off = kept.measure(MORE_ASKED)
    first, second = kept.of_t()
    assert FROM_KEPT in second.note and FROM_KEPT not in first.note
    anew = kept.measure(MORE_ASKED, Places(kept.folder / "another"))
    assert read_off[0] == anew[0] and read_off[1:] == pytest.approx(anew[1:], rel=1e-4)


def test_weights_that_other_code_has_trained_are_not_taken(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "identity", lambda *about: "other-1")
    kept.measure(MORE_ASKED, code="other-1")
    assert [FROM_KEPT in record.note for record in kept.of_t()] == [False, False]
    assert len(list((kept.folder / "checkpoints").glob("*/*.pt"))) == 2


def test_weights_of_a_training_that_the_ledger_does_not_have_are_not_taken(kept: Kept) -> None:
    for path in (kept.folder / "ledger").glob("*/*/*.jsonl"):
        path.unlink()
    kept.measure(MORE_ASKED)
    assert [FROM_KEPT in record.note for record in kept.of_t()] == [False]


def test_weights_at_the_old_place_and_weights_that_are_damaged_are_not_taken(
    kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    (file,) = (kept.folder / "checkpoints").glob("*/*.pt")
    (kept.folder / "checkpoints" / file.name).write_bytes(file.read_bytes())
    file.write_bytes(b"cut off")
    kept.measure(MORE_ASKED)
    assert [FROM_KEPT in record.note for record in kept.of_t()] == [False, False]
    assert "T is trained again" in capsys.readouterr().err


def test_without_kept_weights_t_is_trained_again_and_the_plan_says_so(kept: Kept) -> None:
    for file in (kept.folder / "checkpoints").glob("*/*.pt"):
        file.unlink()
    assert kept.reason() == {MORE}
