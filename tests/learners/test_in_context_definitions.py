"""Folders of language models as learners: what is refused, in one sentence, before anything is measured."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertLMHeadModel, GPT2Config, GPT2LMHeadModel, T5Config, T5ForConditionalGeneration

from indoubt.engines.in_context.folder import identity_of
from indoubt.engines.in_context.model import HuggingFaceReader
from indoubt.errors import UserError
from indoubt.learner import InContextLearner, LookedAt, learner_of_json
from indoubt.learners import in_context_definitions as resolution
from indoubt.learners.in_context_definitions import resolve_in_context
from tests.shared import in_context

CELLS = [{"cell": "some/5", "source": ["a", "b"], "target": ["b", "c"]}]
LETTERS = {"symbols": "letters"}


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return in_context.saved_llama(tmp_path_factory.mktemp("models") / "llama")


@pytest.fixture
def copied(llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(llama, tmp_path / "llama"))


def resolved(
    folder: Path, known: Mapping[str, str] | None = None, **given: Any
) -> tuple[InContextLearner, LookedAt | None]:
    return resolve_in_context({"in_context": str(folder)} | LETTERS | given, CELLS, known)


def refusal(folder: Path, **given: Any) -> str:
    with pytest.raises(UserError) as error:
        resolved(folder, **given)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_folder_is_a_learner_by_its_content(llama: Path) -> None:
    learner, model = resolved(llama)
    assert learner.updates == 0 and learner.batch_size is None and not learner.spread
    chosen = {"format": "arrow", "symbols": "letters", "copies": 1, "order": "drawn", "dtype": "float32"}
    assert learner.arguments.items() >= (chosen | {"weights": "trained", "in_context": identity_of(llama)}).items()
    assert learner_of_json(json.loads(json.dumps(learner.to_json()))) == learner
    assert model is not None and (model.type, model.reads, model.head, model.around) == ("llama", 2048, 1, 2)
    assert model.weights == HuggingFaceReader(learner, torch.device("cpu"), 1)._model.num_parameters()
    assert model.kept == 2 * 2 * 8 * 4 and model.seconds > 0  # keys and values, two layers, a head of 8 numbers


def test_where_a_folder_lies_is_no_part_of_it_and_its_tokenizer_is(llama: Path, copied: Path) -> None:
    assert resolved(copied)[0].content == resolved(llama)[0].content
    (copied / "generation_config.json").write_text("{}")
    assert identity_of(copied) == identity_of(llama)
    settings = copied / "tokenizer_config.json"
    settings.write_text(settings.read_text().replace("<pad>", "<s>"))
    assert identity_of(copied) != identity_of(llama)


def test_several_devices_are_no_part_of_a_learner(llama: Path) -> None:
    spread, _ = resolved(llama, device_map="auto")
    assert spread.spread and spread.content == resolved(llama)[0].content


def test_a_format_of_ones_own_is_known_by_its_texts(llama: Path) -> None:
    arrow = {"before": "", "between": " ->", "end": "\n"}
    assert resolved(llama, format=arrow)[0].content == resolved(llama)[0].content
    own, model = resolved(llama, format=arrow | {"before": " q"})
    assert own.arguments["format"] == arrow | {"before": " q", "instruction": ""}
    assert model is not None and model.around == 3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"lr": 0.1}, "nothing is trained in context; leave `lr` out"),
        ({"updates": 10}, "nothing is trained in context; leave `updates` out"),
        ({"start": {"task": "add-or-mul"}}, "leave `start` out"),
        ({"warmup-updates": 10}, "leave `warmup_updates` out"),
        ({"copy": 2}, "unknown key 'copy' of a learner by in_context; did you mean 'copies'?"),
        ({"copies": 0}, "copies 0: T stands in the prompt once or more often; it must be a whole number from 1 on"),
        ({"copies": True}, "copies True"),
        ({"copies": 1.5}, "copies 1.5"),
        ({"symbols": "word"}, "symbols 'word': it must be words or letters or any or own; did you mean 'words'?"),
        ({"order": "shuffled"}, "order 'shuffled': it must be drawn or given"),
        ({"dtype": "float64"}, "dtype 'float64': it must be float32 or bfloat16 or float16"),
        ({"weights": "random"}, "weights 'random': it must be trained or untrained"),
        ({"device_map": "balanced"}, "device_map 'balanced': it must be auto"),
        ({"format": "arows"}, "format 'arows': it must be one of arrow, labels, instructed, or a mapping of the texts"),
        ({"format": {"between": " ->", "ends": "\n"}}, "format has no text 'ends'; did you mean 'end'?"),
        ({"format": {"between": " ->"}}, "format lacks the text 'end'"),
        ({"format": {"between": 1, "end": "\n"}}, "format: between is 1; it must be a text"),
        ({"format": {"between": " ->", "end": "\n\n"}}, "the end '\\n\\n' is 2 tokens"),
        ({"symbols": "own", "format": {"between": " b", "end": "\n"}}, "symbol 'b' of some/5 is part of the format"),
        ({"symbols": "words"}, "there are 3 symbols of some/5, and 0 words among the tokens of"),
    ],
)
def test_what_is_no_definition_is_refused(llama: Path, given: dict[str, Any], words: str) -> None:
    assert words in refusal(llama, **given)


def _gguf(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model.gguf")


def _config(**changed: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changed))

    return change


def _tokenizer_of_more(folder: Path) -> None:
    in_context.tokenizer([*in_context.WORDS, " more"]).save_pretrained(folder)


def _without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _not_finite(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"] *= torch.inf
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (
            _without("tokenizer.json"),
            "has no tokenizer (tokenizer.json); save it beside the model by tokenizer.save_pre",
        ),
        (_without("model.safetensors"), "holds no model that save_pretrained wrote: no weights"),
        (_without("config.json"), "holds no model that save_pretrained wrote: no config.json"),
        (_gguf, "holds a .gguf file and no weights that save_pretrained wrote; convert it as docs/in-context.md says"),
        (_config(model_type="own", auto_map={"AutoModel": "own.Own"}), "needs code of its own (auto_map); only archi"),
        (_config(model_type="vit"), "holds a 'vit', no causal language model of transformers"),
        (_tokenizer_of_more, "has tokens up to 31 and its model 31 embeddings, so that they do not belong together"),
        (_not_finite, "are not finite in float32; use bfloat16 or float32"),
        (lambda folder: (folder / "config.json").write_text("{"), "its config.json cannot be read"),
        (shutil.rmtree, "is no folder; give one that a model's and its tokenizer's save_pretrained wrote"),
    ],
)
def test_what_cannot_be_read_is_refused(copied: Path, broken: Callable[[Path], None], words: str) -> None:
    broken(copied)
    assert words in refusal(copied)


def test_what_reads_no_prompt_is_refused(tmp_path: Path) -> None:
    small = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2, "vocab_size": 31}
    T5ForConditionalGeneration(T5Config(**small)).save_pretrained(tmp_path / "t5")
    bert = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertLMHeadModel(BertConfig(**bert, vocab_size=31)).save_pretrained(tmp_path / "bert")
    for name in ("t5", "bert"):
        in_context.tokenizer().save_pretrained(tmp_path / name)
    assert "holds a 't5', an encoder-decoder; only causal language models read a prompt" in refusal(tmp_path / "t5")
    assert "is not causal: what it expects changes with what comes behind" in refusal(tmp_path / "bert")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_other_architectures_and_numbers_are_read(tmp_path: Path, dtype: str) -> None:
    """GPT-2 counts positions from a table, and has no start of its own in this tokenizer."""
    GPT2LMHeadModel(GPT2Config(vocab_size=31, n_embd=16, n_layer=1, n_head=2, n_positions=64)).save_pretrained(tmp_path)
    in_context.tokenizer().save_pretrained(tmp_path)
    learner, model = resolved(tmp_path, dtype=dtype)
    assert model is not None and model.reads == 64 and model.type == "gpt2"
    assert learner.arguments["dtype"] == dtype


def test_a_large_model_must_say_in_which_numbers_it_is_read(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolution, "LARGE", 1000)
    monkeypatch.setattr(resolution, "weights_of", lambda folder, shown: 70_600_000_000)
    assert (
        "has 70.6e9 weights; say in which numbers it is read, dtype: bfloat16 (141 GB) or float32 (282 GB)"
        in refusal(llama)
    )
    _, model = resolved(llama, dtype="bfloat16")  # and is not loaded to be looked at
    assert model is not None and model.seconds == pytest.approx(2 * 70.6e9 / resolution.OPERATIONS)
    assert model.kept == 2 * 2 * 8 * 2


def test_what_does_not_fit_into_memory_is_said_before_it_is_loaded(
    llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indoubt.engines.in_context.model.weights_of", lambda folder, shown: 10**15)
    with pytest.raises(UserError) as error:
        HuggingFaceReader(in_context.learner(llama), torch.device("cpu"), 1)
    assert "4000000 GB in float32, and" in str(error.value) and "give dtype: bfloat16 (2000000 GB), or" in str(
        error.value
    )


def test_a_folder_that_is_not_there_is_known_by_what_it_is_said_to_hold(llama: Path, copied: Path) -> None:
    held = identity_of(llama)
    shutil.rmtree(copied)
    learner, model = resolved(copied, {str(copied): held})
    assert learner.content == resolved(llama)[0].content and model is None
    with pytest.raises(UserError, match=r"holds another model .* than the configuration says under `models`"):
        resolved(llama, {str(llama): "0" * 64})
