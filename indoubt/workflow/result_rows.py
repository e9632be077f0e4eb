"""Rows of results: for each seed and dataset of a job one per scored block, or one with the decoded test set."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from indoubt.errors import UserError
from indoubt.training import Result, Training, digest
from indoubt.workflow.job import Job
from indoubt.workflow.ledger import Ledger
from indoubt.workflow.required_trainings import Cell, counted, required
from indoubt.workflow.start_trainings import fits


def result_rows(job: Job, cell: Cell, ledger: Ledger) -> Iterator[dict[str, Any]]:
    """The job's rows: for each seed and dataset one per scored block, or one with the decoded test set.

    What was asked at a milestone has a row of its own, `score_at` or `decode_at`, that says after how many updates.
    """
    about = [job.learner.shelved, job.engine, job.engine_hash]
    configured = digest(about if job.start is None else [*about, job.start.identity])[:16]
    merged = {each.key: each for chain in required(cell, job.requests, job.trained, ledger) for each in chain}
    firsts = ((rule, seed, [cell.training(rule, seed, 0)]) for seed in job.seeds for rule in job.beside)
    beside = [each for each in firsts if ledger.find(each[2][0]) is not None]
    for dataset, seed, trainings in (*counted(cell, job.requests, job.trained, ledger), *beside):
        for training in trainings:
            result = ledger.find(training if dataset in job.beside else merged.get(training.key, training))
            if result is None:
                raise UserError(f"the training of seed {seed}, block {training.block} is not in the ledger; run again")
            row = {"task": job.task, "size": job.size, "learner": job.name, "seed": seed, "training_id": result.key}
            row |= {"configured": configured, "examples": job.examples[dataset]}
            row |= {"status": result.status, "seconds": result.seconds, "updates": result.updates}
            row |= {"engine": result.engine, "device": result.device, "torch": result.torch, "host": result.host}
            row |= asdict(job.protocol)
            row["looking"] = result.looking
            if training.start is not None:
                first = ledger.find(training.start)
                assert first is not None
                row["start"] = {"training_id": first.key, "status": first.status, "fits": fits(training.start, first)}
            for decode in training.decodes:
                when = {"kind": "decode"} if decode.at is None else {"kind": "decode_at", "at": decode.at}
                outside = _outside(result, decode.key)
                yield {**when, **row, "outputs": _texts(training, result.outputs.get(decode.key)), **outside}
            sent = list(dict.fromkeys(score.examples for score in training.scores))
            for score in training.scores:
                when = {"kind": "score"} if score.at is None else {"kind": "score_at", "at": score.at}
                block = training.block + 1 + sent.index(score.examples)
                scored = {"dataset": dataset, "block": block, "n_examples": len(score.examples)}
                scored |= {"codes": job.code.codes, "blocks": job.code.blocks}
                nats = result.nats.get(score.key, math.inf)
                yield {
                    **when,
                    **row,
                    **scored,
                    "nats": nats if math.isfinite(nats) else None,
                    **_outside(result, score.key),
                }


def _outside(result: Result, asked: str) -> dict[str, float]:
    """What a language model would have said that is no symbol of the task, of those that are read in context."""
    return {"outside": result.outside[asked]} if asked in result.outside else {}


def _texts(training: Training, outputs: list[list[int]] | None) -> list[str] | None:
    """Decoded ids as text, symbols separated by blanks."""
    if outputs is None:
        return None
    symbols = training.target_symbols
    if any(i >= len(symbols) for output in outputs for i in output):
        raise UserError(
            f"the ledger's record of seed {training.seed}, block {training.block} (key {training.key}) holds a symbol "
            "that its dictionary lacks: it is damaged; take it out of the ledger to train it again"
        )
    return [" ".join(symbols[i] for i in output) for output in outputs]
