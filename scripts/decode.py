"""Decode the test inputs of a dataset with a trained learner, greedily, up to 200 symbols.

    python scripts/decode.py results/data-bin/add-or-mul/20/fpa --path my-run/0.pt

Prints one JSON object per line of test.src: src, pred, and their numbers of symbols, src_len and pred_len.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("OMP_NUM_THREADS", "1")

from indoubt.data.binary import load_dataset
from indoubt.engines.checkpoints import load_checkpoint
from indoubt.engines.devices import choose_device
from indoubt.engines.registry import evaluate_kept
from indoubt.errors import UserError, exit_on_user_error
from indoubt.training import Decode, Protocol, Training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_bin", type=Path, metavar="DATA_BIN", help="a binarized dataset")
    parser.add_argument(
        "--path", required=True, type=Path, metavar="FILE", help="what scripts/train.py wrote, DIR/0.pt, or a run kept"
    )
    parser.add_argument("--min-len", type=int, default=0, help="least number of symbols to give (released code: 1)")
    parser.add_argument("--cpu", action="store_true", help="stay on the CPU")
    arguments = parser.parse_args()
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
    engine = "fairseq" if "arch" in checkpoint.learner.arguments else "modules"
    outputs = evaluate_kept(engine, training, checkpoint.model(device), device).outputs[asked.key]
    for read, given in zip(dataset.test_sources, outputs, strict=True):
        src, pred = [theirs[0][i] for i in read[:-1]], [theirs[1][i] for i in given]
        print(json.dumps({"src": " ".join(src), "pred": " ".join(pred), "src_len": len(src), "pred_len": len(pred)}))


if __name__ == "__main__":
    exit_on_user_error(main)
