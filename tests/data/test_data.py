"""Text and binary data: what is written is what is read, and what is wrong is said."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fairseq.data import Dictionary

from indoubt.data.binary import binarize, load_dataset
from indoubt.data.datasets import BINARY_FILES
from indoubt.data.task import FPA
from indoubt.data.vocabulary import EOS, training_pairs, vocabularies
from indoubt.errors import UserError
from tests.shared.tasks import released_tasks

TASKS = released_tasks()


def test_binary_data_hold_the_text(results: Path) -> None:
    for task in TASKS.values():
        for size in task.sizes:
            for dataset in task.datasets:
                data = load_dataset(results / "data-bin" / task.name / str(size) / dataset)
                source, target = data.source_vocabulary, data.target_vocabulary
                read = [(source.decode(e.source), target.decode(e.target)) for e in data.examples]
                assert read == training_pairs(task, size, dataset)
                assert all(e.source[-1] == EOS for e in data.examples)
                assert len(data.test_sources) == len(task.test_inputs(size))


def test_dictionaries_are_padded_to_a_multiple_of_eight(results: Path) -> None:
    data = load_dataset(results / "data-bin/add-or-mul/5/mul")
    filling = (f"madeupword000{i}" for i in range(3))
    assert data.target_vocabulary.symbols == ("<s>", "<pad>", "</s>", "<unk>", "b", *filling)


@pytest.mark.parametrize("dataset", ["fpa", "compo", "mem_prim", "mem_func"])
def test_our_order_of_a_dictionary_is_fairseqs(results: Path, dataset: str) -> None:
    task = TASKS["comp-or-mem"]
    folder = results / "data-bin/comp-or-mem/5" / dataset
    for side, vocabulary in zip(("src", "dst"), vocabularies(task, 5, dataset), strict=True):
        assert Dictionary.load(str(folder / f"dict.{side}.txt")).symbols == list(vocabulary.symbols)
    data = load_dataset(folder)
    assert (data.source_vocabulary, data.target_vocabulary) == vocabularies(task, 5, dataset)


def test_fpa_and_candidates_of_comp_or_mem_order_their_symbols_differently(results: Path) -> None:
    fpa, compo = (load_dataset(results / "data-bin/comp-or-mem/5" / d).source_vocabulary for d in (FPA, "compo"))
    assert fpa.own.index("a") < fpa.own.index("F") and compo.own.index("F") < compo.own.index("a")


@pytest.fixture
def text(results: Path, tmp_path: Path) -> Path:
    """A copy of one dataset's text, to be spoilt."""
    return Path(shutil.copytree(results / "data/add-or-mul/5/mul", tmp_path / "mul"))


def spoil(path: Path, content: str | None) -> None:
    path.unlink()
    if content is not None:
        path.write_text(content)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("train.src", None, "train.src is missing; generate it"),
        ("train.dst", "", "train.dst is empty"),
        ("train.dst", "b b\n", "train.src has 7 lines and train.dst has 1"),
        ("test.src", "a c\n" * 7, "has symbols that .* lacks: c"),
        ("test.src", "a a\na", "does not end in a newline"),
    ],
)
def test_bad_text_is_refused_and_nothing_written(text: Path, name: str, content: str | None, complaint: str) -> None:
    spoil(text / name, content)
    with pytest.raises(UserError, match=complaint):
        binarize(text, text.parent / "bin")
    assert not (text.parent / "bin").exists()


@pytest.mark.parametrize("name", BINARY_FILES)
def test_an_incomplete_binary_dataset_is_refused(results: Path, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(results / "data-bin/add-or-mul/5/mul", tmp_path / "bin"))
    (folder / name).unlink()
    with pytest.raises(UserError, match=f"{name} is missing; run `snakemake data"):
        load_dataset(folder)


def test_a_dictionary_that_lacks_a_symbol_of_the_data_is_refused(results: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(results / "data-bin/comp-or-mem/5/compo", tmp_path / "bin"))
    lines = (folder / "dict.dst.txt").read_text().splitlines()
    (folder / "dict.dst.txt").write_text("\n".join(lines[:3]) + "\n")
    with pytest.raises(UserError, match=r"train.dst has a symbol that dict.dst.txt lacks"):
        load_dataset(folder)


@pytest.mark.parametrize("script", ["generate", "binarize"])
def test_scripts_say_what_is_wrong_in_one_line(tmp_path: Path, script: str) -> None:
    (tmp_path / "file").write_text("in the way")
    arguments = {
        "generate": ["--task", "add-or-mul", "--size", "5", "--dataset", "fpa", "--output", str(tmp_path / "file")],
        "binarize": ["--text", str(tmp_path), "--dataset", "fpa", "--output", str(tmp_path / "bin")],
    }[script]
    done = subprocess.run([sys.executable, f"scripts/{script}.py", *arguments], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_fairseq_train_takes_our_binary_data(results: Path, tmp_path: Path) -> None:
    """One update of fairseq's own program, and decoding with its own checkpoint."""
    data, cli = str(results / "data-bin/add-or-mul/5/mul"), [sys.executable, "-m", "indoubt.fairseq_cli"]
    model = ["--arch=transformer", "--encoder-layers=1", "--decoder-layers=1", "--encoder-embed-dim=16"]
    model += ["--decoder-embed-dim=16", "--optimizer=adam", "--lr=1e-3", "--max-update=1", "--max-tokens=1000"]
    done = subprocess.run(
        [*cli, "train", data, *model, "--cpu", "--num-workers=0", f"--save-dir={tmp_path}"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "num_updates 1" in done.stdout
    done = subprocess.run(
        [*cli, "generate", data, f"--path={tmp_path}/checkpoint_best.pt", "--cpu", "--num-workers=0", "--max-len-b=5"],
        capture_output=True,
        text=True,
    )
    assert "Translated 7 sentences" in done.stdout, done.stderr
