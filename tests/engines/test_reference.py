"""The original's code lengths by scripts/train.py, and what the reference engine promises beside them."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from indoubt.data.binary import load_dataset
from indoubt.data.vocabulary import EOS
from indoubt.engines.checkpoints import load_checkpoint, save_checkpoint
from indoubt.engines.fairseq.engine import evaluate_kept, train_chain
from indoubt.engines.fairseq.models import build_model, dictionary_of, make_batch, namespace
from indoubt.engines.fairseq.optimizer import Optimizer, summed_nll
from indoubt.engines.fairseq.randomness import seed_everything
from indoubt.learner import Learner
from indoubt.learners.fairseq_definitions import resolve
from indoubt.training import Decode, Example, Protocol, Training
from indoubt.workflow.required_trainings import Cell, chains
from tests.shared.workspace import ROOT

ORIGINAL_ROWS = ROOT / "tests/shared/reference/original_code_lengths.jsonl"
ROWS = [json.loads(row) for row in ORIGINAL_ROWS.read_text().splitlines()]
#: One of each learner; the others are left to the long tests.
EACH_LEARNER = [row for row in ROWS if row["task"] == "hierar-or-linear"]
CPU = torch.device("cpu")
PLUGIN = str(ROOT / "tests/shared/plugins/uniform_learner")


def run_script(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, f"scripts/{script}.py", *words], capture_output=True, text=True, cwd=ROOT)


def flags(definition: Mapping[str, Any]) -> list[str]:
    """A learner's definition as a person types it."""
    words = []
    for name, value in definition.items():
        flag = f"--{name.replace('_', '-')}"
        words.append(flag if name == "cross_self_attention" else f"{flag}={value}")
    return words


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, marks=[pytest.mark.long] * (row not in EACH_LEARNER)) for row in ROWS],
    ids=lambda row: f"{row['task']}-{row['dataset']}-{row['learner']}",
)
def test_the_originals_code_lengths(
    results: Path, definitions: dict[str, dict[str, Any]], tmp_path: Path, row: dict[str, Any]
) -> None:
    data = results / "data-bin" / row["task"] / str(row["size"]) / row["dataset"]
    done = run_script(
        "train",
        str(data),
        *flags(definitions[row["learner"]]),
        "--disable-validation",
        "--no-epoch-checkpoints",
        "--min-lr=1e-9",
        f"--seed={row['seed']}",
        f"--mdl-train-examples={row['train_examples']}",
        f"--mdl-block-size={row['block_size']}",
        f"--mdl-batches-per-epoch={row['updates']}",
        "--adam-state=carried",
        "--cpu",
        f"--save-dir={tmp_path}",
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["online_cross_entropy"] == pytest.approx(row["online_cross_entropy"], rel=1e-6)
    assert found["description_length"] == pytest.approx(row["description_length"], rel=1e-6)
    assert found["examples_seen"] == row["examples_seen"]
    assert {path.name for path in tmp_path.glob("*.pt")} == {f"{k}.pt" for k in range(len(row["examples_seen"]) - 1)}


def cell_of(results: Path, task: str, learner: Learner, protocol: Protocol, *datasets: str) -> Cell:
    n_training, block_size = (4, 4) if task == "hierar-or-linear/4" else (1, 1)
    data = {dataset: load_dataset(results / "data-bin" / task / dataset) for dataset in datasets}
    return Cell(data, n_training, block_size, learner, protocol)


def nats(trainings: list[Training], chained: bool = False) -> list[float]:
    """The score of each training, each in a run of its own unless chained."""
    runs = [trainings] if chained else [[training] for training in trainings]
    return [next(iter(result.nats.values())) for run in runs for result in train_chain(run, CPU)]


@pytest.mark.parametrize("streams", ["released", "independent"])
@pytest.mark.parametrize("name", ["transformer", "cnn"])
def test_a_block_alone_equals_the_block_of_a_sequence(
    results: Path, learner_of: Callable[..., Learner], name: str, streams: Any
) -> None:
    cell = cell_of(results, "hierar-or-linear/4", learner_of(name), Protocol("fresh", streams), "hierar")
    sequence = cell.sequence("hierar", 5)
    assert nats(sequence, chained=True) == [nats([training])[0] for training in reversed(sequence)][::-1]


def test_carried_differs_from_fresh_from_the_second_block_on(results: Path, learner_of: Callable[..., Learner]) -> None:
    learner = learner_of("transformer")
    fresh, carried = (
        nats(cell_of(results, "add-or-mul/5", learner, Protocol(state, "released"), "mul").sequence("mul", 1), True)
        for state in ("fresh", "carried")
    )
    assert fresh[0] == carried[0]
    assert all(one != other for one, other in zip(fresh[1:], carried[1:], strict=True))


def test_independent_streams_differ_between_seeds_blocks_and_updates(
    results: Path, learner_of: Callable[..., Learner]
) -> None:
    """Neighbouring seeds share shifted dropout streams as released, and none by default."""
    from indoubt.engines.fairseq.randomness import independent_stream, released_stream

    def draw(stream: Callable[[Any, int], None], which: Any, update: int) -> float:
        stream(which, update)
        return float(torch.rand(1))

    assert draw(released_stream, 1, 5) == draw(released_stream, 2, 4)
    cell = cell_of(results, "add-or-mul/5", learner_of("transformer"), Protocol(), "mul")
    keys = [cell.training("mul", seed, block).key for seed in (1, 2) for block in (0, 1)]
    assert len({draw(independent_stream, key, update) for key in keys for update in range(4)}) == 16


@pytest.mark.parametrize(("adam_state", "seed"), [("fresh", 2), ("carried", 6)])
def test_released_streams_draw_batches_where_the_original_draws_them(
    adam_state: Any, seed: int, results: Path, learner_of: Callable[..., Learner]
) -> None:
    """Written out: Python's one generator shuffles the hold-out, then for each block draws all of the training's
    batches, a number per layer and forward pass, and as many as the next block is scored. (By chance, seeds 1, 3, 4, 7
    and 9 come out of a shuffle of five in the state in which one of six leaves them.)
    """
    layers = {"encoder_layers": 2, "encoder_layerdrop": 0.5, "decoder_layerdrop": 0.3}
    learner = learner_of("transformer", 5, batch_size=3, **layers)
    cell = cell_of(results, "add-or-mul/5", learner, Protocol(adam_state, "released", 1), "mul")
    chain = cell.trainings("mul", seed, range(3))
    data = cell.datasets["mul"]
    seed_everything(seed)
    dictionary = dictionary_of(data.source_vocabulary.symbols)
    model: Any = build_model(learner, dictionary, dictionary_of(data.target_vocabulary.symbols))
    initial = {name: value.clone() for name, value in model.state_dict().items()}
    order = list(data.examples[1:])
    random.shuffle(order)
    assert len(order) == 6
    pad, expected = dictionary.pad(), []
    optimizer = Optimizer(model, namespace(learner))
    for block in range(3):
        model.load_state_dict(initial)
        if adam_state == "fresh":
            optimizer = Optimizer(model, namespace(learner))
        optimizer.restart_schedule()
        sent = [data.examples[0], *order[:block]]
        for update, drawn in enumerate([random.choices(sent, k=3) for _ in range(5)]):
            torch.manual_seed(seed + update)
            model.train()
            optimizer.zero_grad()
            summed_nll(model, make_batch(drawn, dictionary, CPU), pad).backward()
            optimizer.step(update, 3)
        model.eval()
        expected.append(float(summed_nll(model, make_batch([order[block]], dictionary, CPU), pad)))
    assert nats(chain, chained=True) == expected


def test_T_is_trained_once_for_all_candidates(results: Path, learner_of: Callable[..., Learner]) -> None:
    cell = cell_of(results, "add-or-mul/5", learner_of("transformer"), Protocol(), "fpa", "add", "mul", "mem")
    found = chains(cell, [(dataset, 1) for dataset in cell.datasets], range(6))
    assert len(found) == 16
    (first,) = [chain[0] for chain in found if chain[0].block == 0]
    assert len(first.scores) == 3 and len(first.decodes) == 1
    alone = {
        score.key: nats([cell.training(name, 1, 0)])[0]
        for name, score in zip(("add", "mul", "mem"), first.scores, strict=True)
    }
    (together,) = train_chain([first], CPU)
    assert {key: together.nats[key] for key in alone} == alone


def test_T_is_trained_twice_where_dictionaries_differ(results: Path, learner_of: Callable[..., Learner]) -> None:
    datasets = {
        d: load_dataset(results / "data-bin/comp-or-mem/5" / d) for d in ("fpa", "compo", "mem_prim", "mem_func")
    }
    cell = Cell(datasets, 6, 1, learner_of("transformer"), Protocol())
    found = chains(cell, [(dataset, 1) for dataset in datasets], range(4))
    assert sum(chain[0].block == 0 for chain in found) == 2
    assert len(found) == 11


def test_identity_is_the_content_and_the_learner_not_the_name(
    results: Path, learner_of: Callable[..., Learner]
) -> None:
    learner = learner_of("transformer")
    cell = cell_of(results, "add-or-mul/5", learner, Protocol(), "add", "mul")
    renamed = Cell({"other": cell.datasets["mul"]}, 1, 1, learner, Protocol())
    assert renamed.training("other", 1, 2).key == cell.training("mul", 1, 2).key
    assert cell.training("mul", 1, 2).key != cell.training("add", 1, 2).key
    assert cell.training("mul", 1, 2).key != cell.training("mul", 2, 2).key
    slower = Cell(cell.datasets, 1, 1, learner_of("transformer", lr=5e-4), Protocol())
    assert slower.training("mul", 1, 0).key != cell.training("mul", 1, 0).key
    released = Cell(cell.datasets, 1, 1, learner, Protocol(rng_streams="released"))
    assert released.training("mul", 1, 0).key != cell.training("mul", 1, 0).key


def test_code_length_of_a_learner_that_knows_nothing(results: Path) -> None:
    """Eight symbols in the dictionary, all equally likely: 3 bits for each symbol of the output and its `</s>`."""
    learner = resolve({"arch": "uniform_guesser", "user_dir": PLUGIN, "optimizer": "adam"}, 2, None)
    cell = cell_of(results, "add-or-mul/5", learner, Protocol(), "mul")
    trainings = cell.sequence("mul", 1)
    bits = [value / math.log(2) for value in nats(trainings)]
    lengths = [len(training.scores[0].examples[0].target) for training in trainings]
    assert sorted(lengths) == [5, 7, 9, 13, 15, 17]
    assert bits == pytest.approx([3 * length for length in lengths], rel=1e-6)


def test_a_learner_that_diverges_is_recorded_and_crashes_nothing(
    results: Path, learner_of: Callable[..., Learner]
) -> None:
    cell = cell_of(results, "add-or-mul/5", learner_of("transformer", updates=150, lr=1e30), Protocol(), "fpa", "mul")
    found = [result for chain in chains(cell, [("fpa", 1), ("mul", 1)], [0, 1]) for result in train_chain(chain, CPU)]
    assert [result.status for result in found] == ["diverged", "diverged"]
    assert all(result.nats == {} and result.outputs == {} and result.updates <= 150 for result in found)


@pytest.mark.parametrize("name", ["lstm-attention", "cnn", "transformer"])
def test_a_kept_model_gives_the_scores_of_its_training(
    results: Path, learner_of: Callable[..., Learner], tmp_path: Path, name: str
) -> None:
    cell = cell_of(results, "add-or-mul/5", learner_of(name, 3), Protocol(), "fpa", "mul")
    ((training,),) = chains(cell, [("fpa", 1), ("mul", 1)], [0])
    (result,) = train_chain([training], CPU, lambda t, model: save_checkpoint(tmp_path / "T.pt", t, model))
    again = evaluate_kept(training, load_checkpoint(tmp_path / "T.pt").model(CPU), CPU)
    assert again.nats == {score.key: result.nats[score.key] for score in training.scores}
    assert again.outputs == result.outputs
    assert set(torch.load(tmp_path / "T.pt", weights_only=True)) >= {"state_dict", "learner", "source_symbols"}


def test_an_empty_output_can_be_given_unless_one_symbol_is_asked_for(results: Path, definitions: Any) -> None:
    """A Transformer taught that nothing gives nothing says so with min_len 0; as released it must say something."""
    data = load_dataset(results / "data-bin/count-or-mem/10/fpa")
    end = EOS
    fast = definitions["transformer"] | {"lr": 1e-2, "warmup_updates": 1, "warmup_init_lr": 1e-2}
    lesson = Training(
        resolve(fast, 60, None),
        Protocol(),
        1,
        data.source_vocabulary.symbols,
        data.target_vocabulary.symbols,
        ((Example((end,), (end,)),),),
        decodes=(Decode(((end,),), 0), Decode(((end,),), 1)),
    )
    (result,) = train_chain([lesson], CPU)
    silent, forced = (result.outputs[request.key][0] for request in lesson.decodes)
    assert silent == []
    assert len(forced) >= 1


def test_scripts_decode_answers_each_line_in_order(results: Path, tmp_path: Path) -> None:
    """On `fpa` scripts/train.py sends no block; scripts/decode.py answers each line of test.src, up to 200 symbols."""
    data = str(results / "data-bin/count-or-mem/10/fpa")
    learner = ["--arch=uniform_guesser", f"--user-dir={PLUGIN}", "--optimizer=adam", "--mdl-train-examples=1"]
    done = run_script("train", data, *learner, "--mdl-batches-per-epoch=1", "--cpu", f"--save-dir={tmp_path}")
    assert json.loads(done.stdout) == {"online_cross_entropy": [], "description_length": 0, "examples_seen": [1]}
    shortest, longer = (
        [json.loads(row) for row in run_script("decode", data, f"--path={tmp_path}/0.pt", *more).stdout.splitlines()]
        for more in ([], ["--min-len", "1"])
    )
    assert [row["src_len"] for row in shortest] == list(range(21))
    assert all(set(row) == {"src", "pred", "src_len", "pred_len"} for row in shortest)
    assert all(row["pred_len"] >= 1 and row["pred_len"] == len(row["pred"].split()) for row in longer)
    assert max(row["pred_len"] for row in longer) <= 200


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--encoder-embd-dim=3"], "unrecognized arguments: --encoder-embd-dim"),
        (["--fp16"], "argument 'fp16' is fairseq's but has no effect"),
        (["--arch=nonautoregressive_transformer"], "not autoregressive"),
        (["--mdl-train-examples=9"], "has 7 examples, fewer than T's 9"),
        (["--mdl-train-examples=0"], "--mdl-train-examples is missing or below 1"),
        (["--mdl-block-size=0"], "--mdl-block-size must be at least 1"),
    ],
)
def test_scripts_train_refuses_in_one_line(
    results: Path, definitions: dict[str, dict[str, Any]], tmp_path: Path, words: list[str], complaint: str
) -> None:
    common = [*flags(definitions["transformer"]), "--mdl-train-examples=1", f"--save-dir={tmp_path}/m", "--cpu"]
    done = run_script("train", str(results / "data-bin/add-or-mul/5/mul"), *common, *words)
    assert done.returncode == 1 and complaint in done.stderr
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr


def test_models_are_not_overwritten_and_foreign_ones_not_read(results: Path, tmp_path: Path) -> None:
    data = str(results / "data-bin/add-or-mul/5/fpa")
    learner = ["--arch=uniform_guesser", f"--user-dir={PLUGIN}", "--optimizer=adam", "--mdl-train-examples=1"]
    train = ["train", data, *learner, "--mdl-batches-per-epoch=1", "--cpu", f"--save-dir={tmp_path}"]
    assert run_script(*train).returncode == 0
    refused = run_script(*train)
    assert refused.returncode == 1 and "give --overwrite" in refused.stderr
    assert run_script(*train, "--overwrite").returncode == 0
    other = run_script("decode", str(results / "data-bin/comp-or-mem/5/fpa"), f"--path={tmp_path}/0.pt")
    assert other.returncode == 1 and "other dictionaries" in other.stderr
    (tmp_path / "1.pt").write_bytes(b"no checkpoint")
    damaged = run_script("decode", data, f"--path={tmp_path}/1.pt")
    assert damaged.returncode == 1 and "is no checkpoint of doubt" in damaged.stderr
