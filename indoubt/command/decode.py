"""Decode the test inputs of a dataset with a trained learner, greedily, up to 200 symbols.

    indoubt decode results/data-bin/add-or-mul/20/fpa --path my-run/0.pt

Prints one JSON object per line of test.src: src, pred, and their numbers of symbols, src_len and pred_len.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from indoubt.command import named_parser
from indoubt.data.binary import load_dataset
from indoubt.engines.checkpoints import load_checkpoint
from indoubt.engines.devices import choose_device
from indoubt.engines.registry import ENGINES
from indoubt.errors import UserError
from indoubt.training import Decode, Protocol, Training


def parser() -> argparse.ArgumentParser:
    made = named_parser("decode", __doc__)
    made.add_argument("data_bin", type=Path, metavar="DATA_BIN", help="a binarized dataset")
    made.add_argument(
        "--path", required=True, type=Path, metavar="FILE", help="what `indoubt train` wrote, DIR/0.pt, or a run kept"
    )
    made.add_argument("--min-len", type=int, default=0, help="least number of symbols to give (released code: 1)")
    made.add_argument("--cpu", action="store_true", help="stay on the CPU")
    return made


def main(words: Sequence[str] | None = None) -> None:
    arguments = parser().parse_args(words)
    device = choose_device("cpu" if arguments.cpu else "auto")
    dataset = load_dataset(arguments.data_bin)
    checkpoint = load_checkpoint(arguments.path)
    theirs = (checkpoint.source_symbols, checkpoint.target_symbols)
    if theirs != (dataset.source_vocabulary.symbols, dataset.target_vocabulary.symbols):
        raise UserError(
            f"{arguments.path} was trained with other dictionaries than those of {arguments.data_bin}; "
            "give the data that it was trained on"
        )
    asked = Decode(dataset.test_sources, arguments.min_len)
    protocol = Protocol(min_len=arguments.min_len)
    training = Training(checkpoint.learner, protocol, 0, *theirs, blocks=((),), decodes=(asked,))
    evaluate_kept = ENGINES[checkpoint.learner.engine].evaluate_kept
    outputs = evaluate_kept(training, checkpoint.model(device), device).outputs[asked.key]
    for read, given in zip(dataset.test_sources, outputs, strict=True):
        src, pred = [theirs[0][i] for i in read[:-1]], [theirs[1][i] for i in given]
        print(json.dumps({"src": " ".join(src), "pred": " ".join(pred), "src_len": len(src), "pred_len": len(pred)}))
