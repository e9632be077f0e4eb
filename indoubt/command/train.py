"""Train one learner on T, then on T and ever more blocks of the hold-out, and print its code length.

    indoubt train results/data-bin/add-or-mul/20/fpa --arch=transformer --encoder-attention-heads=8 \\
        --decoder-attention-heads=8 --encoder-layers=1 --decoder-layers=1 --encoder-embed-dim=16 \\
        --decoder-embed-dim=16 --encoder-ffn-embed-dim=512 --decoder-ffn-embed-dim=512 --dropout=0.5 \\
        --optimizer=adam --lr=1e-3 --lr-scheduler=inverse_sqrt --warmup-init-lr=1e-5 --warmup-updates=1000 \\
        --seed=2 --mdl-batches-per-epoch=3000 --mdl-train-examples=1 --save-dir=my-run

Flags are fairseq-train's (`python -m indoubt.fairseq_cli train --help`) and those below, which are named as in the
paper's released code. --disable-validation, --no-epoch-checkpoints, --sentence-avg and --min-lr change nothing. After
block k the model is written to SAVE_DIR/k.pt (0.pt was trained on T alone). The last line on standard output is JSON:
online_cross_entropy (bits per example of each block), description_length (bits of all blocks together) and
examples_seen (examples in each block, T first); a block whose learner diverged is null.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

os.environ.setdefault("OMP_NUM_THREADS", "1")

import indoubt.data.compat  # noqa: F401  (must come before fairseq)

import torch
from fairseq import options

from indoubt.data.binary import load_dataset
from indoubt.engines.checkpoints import save_checkpoint
from indoubt.engines.devices import choose_device
from indoubt.engines.fairseq.engine import train_chain
from indoubt.errors import UserError
from indoubt.learners.fairseq_definitions import resolve
from indoubt.training import Protocol, Result, Training
from indoubt.workflow.required_trainings import Cell

#: Arguments of this program that say nothing of the learner.
OF_THE_RUN = {
    "seed",
    "save_dir",
    "cpu",
    "overwrite",
    "adam_state",
    "rng_streams",
    "mdl_train_examples",
    "mdl_block_size",
}


def parser() -> ArgumentParser:
    """fairseq's own, and what is measured."""
    made: ArgumentParser = options.get_training_parser()
    made.prog, made.description, made.formatter_class = "indoubt train", __doc__, RawDescriptionHelpFormatter
    made.error = _refuse  # type: ignore[method-assign]  # a sentence, not three screens of usage
    group = made.add_argument_group("measurement")
    group.add_argument("--mdl-train-examples", type=int, metavar="N", help="size of T, the first examples (required)")
    group.add_argument("--mdl-block-size", type=int, default=1, metavar="N", help="hold-out examples in a block")
    group.add_argument("--mdl-batches-per-epoch", type=int, default=3000, metavar="N", help="updates of a training")
    group.add_argument("--mdl-batch-size", type=int, metavar="N", help="draw N examples with replacement per update")
    group.add_argument("--adam-state", choices=["fresh", "carried"], default="fresh", help="does Adam outlive a block?")
    group.add_argument("--rng-streams", choices=["released", "independent"], default="released", help="dropout streams")
    group.add_argument("--overwrite", action="store_true", help="replace the models in --save-dir")
    return made


def parse(words: Sequence[str]) -> tuple[Namespace, dict[str, object]]:
    """The command line, and what it says of the learner, by fairseq's names."""
    arguments = options.parse_args_and_arch(parser(), list(words))
    given = {word[2:].split("=")[0].replace("-", "_") for word in words if word.startswith("--")}
    own = {"updates": arguments.mdl_batches_per_epoch, "batch_size": arguments.mdl_batch_size}
    of_learner = {name: getattr(arguments, name) for name in given if name not in OF_THE_RUN and "mdl_" not in name}
    if "save_dir" not in given:
        raise UserError("--save-dir is missing: say where the trained models go")
    if arguments.mdl_train_examples is None or arguments.mdl_train_examples < 1:
        raise UserError("--mdl-train-examples is missing or below 1: say how many examples, from the first on, are T")
    if arguments.mdl_block_size < 1:
        raise UserError(f"--mdl-block-size must be at least 1, it is {arguments.mdl_block_size}")
    return arguments, own | of_learner


def main(words: Sequence[str] | None = None) -> None:
    arguments, definition = parse(sys.argv[1:] if words is None else words)
    device = choose_device("cpu" if arguments.cpu else "auto")
    dataset = load_dataset(Path(arguments.data))
    learner = resolve(definition, arguments.mdl_batches_per_epoch, arguments.mdl_batch_size)
    protocol = Protocol(arguments.adam_state, arguments.rng_streams)
    name = Path(arguments.data).resolve().name
    cell = Cell({name: dataset}, arguments.mdl_train_examples, arguments.mdl_block_size, learner, protocol)
    blocks = cell.blocks(name, arguments.seed)
    folder = prepare(Path(arguments.save_dir), arguments.overwrite)

    def keep(training: Training, model: torch.nn.Module) -> None:
        save_checkpoint(folder / f"{training.block}.pt", training, model)

    trainings = cell.sequence(name, arguments.seed)
    results: list[Result] = []
    for chain in [trainings] if cell.chained else [[training] for training in trainings]:
        for result in train_chain(chain, device, keep):
            results.append(result)
            report(trainings[len(results) - 1], result, len(trainings))
    bits = [
        None if not result.nats else result.nats[training.scores[0].key] / len(block) / math.log(2)
        for training, result, block in zip(trainings, results, blocks[1:], strict=False)
    ]
    total = None if None in bits else sum(len(b) * x for b, x in zip(blocks[1:], bits, strict=True) if x is not None)
    print(
        json.dumps({"online_cross_entropy": bits, "description_length": total, "examples_seen": list(map(len, blocks))})
    )


def report(training: Training, result: Result, total: int) -> None:
    """Say on standard error how far it is."""
    what = f"block {training.block} of 0..{total - 1}"
    print(
        f"{what}: {result.status} after {result.updates} updates, {result.seconds:.1f} s", file=sys.stderr, flush=True
    )
    if result.status == "diverged":
        print(f"{what}: loss or weights became infinite or NaN; try a lower --lr", file=sys.stderr)


def prepare(folder: Path, overwrite: bool) -> Path:
    """An empty place for models.

    Raises:
        UserError: there are models already, or the folder cannot be made.
    """
    models = [path for path in folder.glob("*.pt") if re.fullmatch(r"\d+", path.stem)] if folder.is_dir() else []
    if models and not overwrite:
        raise UserError(f"{folder} holds trained models ({models[0].name}, ...); choose another or give --overwrite")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in models:
            path.unlink()
    except OSError as error:
        raise UserError(f"--save-dir {folder} cannot be written: {error.strerror}") from error
    return folder


def _refuse(message: str) -> NoReturn:
    raise UserError(f"{message} (--help lists all arguments)")
