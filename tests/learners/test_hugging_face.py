"""Hugging Face's architectures as learners: what is refused, what runs, and what a pretrained one starts from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from indoubt.data.vocabulary import JointVocabulary
from indoubt.engines.modules.engine import train_chains
from indoubt.engines.modules.loader import Builder
from indoubt.errors import UserError
from indoubt.learners.module_definitions import ResolvedModule, resolve_module
from indoubt.training import Protocol
from tests.shared import made_modules as made
from tests.shared.workspace import ROOT

pytestmark = pytest.mark.xdist_group("hugging_face")
VOCABULARY = JointVocabulary.of(made.SOURCE, made.TARGET)
TINY = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
GPT2 = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_inner": 32}


def resolved(**definition: Any) -> ResolvedModule:
    return resolve_module(definition, 10, None, Protocol(), None, (12, 22))


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"hf": "gpt2", "n_layers": 1}, "unknown key 'n_layers' of hf 'gpt2'; did you mean 'n_layer'?"),
    ({"hf": "lama"}, "no architecture 'lama' in transformers"),
    ({"hf": "vit"}, "is no language model"),
    ({"hf": ["gpt2"]}, "hf ['gpt2'] is no text; give the name of an architecture"),
    ({"hf": "gpt2", "head": "seq2seq"}, "hf 'gpt2' has causal"),
    ({"hf": "llama", **TINY, "vocab_size": 5}, "key 'vocab_size' of hf 'llama' is set by doubt"),
    ({"hf": "llama", **TINY, "pad_token_id": 0}, "'pad_token_id' of hf 'llama' is set by doubt"),
    ({"hf": "llama", **TINY, "attn_implementation": "sdpa"}, "is set by doubt"),
    ({"hf": "llama", "hidden_size": "wide"}, "expected int, got str"),
    ({"hf": "llama", **TINY, "hidden_size": 15}, "refuses its configuration"),
    ({"hf": "t5gemma"}, "4,417,279,488 weights, more than 50,000,000; give smaller sizes (encoder.hidden_size"),
    ({"hf": "xlnet", "d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 32}, "change with a later symbol"),
    ({"hf": "gpt2", "pretrained": "no/such"}, "holds no model that save_pretrained wrote"),
    ({"hf": "gpt2", **GPT2, "lr": -1.0}, "argument 'lr' is -1.0"),
]


@pytest.mark.parametrize(("definition", "words"), REFUSED)
def test_what_is_no_learner_is_refused_in_one_sentence(definition: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as error:
        resolved(**definition)
    assert words in str(error.value) and "\n" not in str(error.value)


RUN: dict[str, tuple[dict[str, Any], str | None]] = {
    "llama": ({**TINY, "num_key_value_heads": 2}, None),
    "gpt_neox": (TINY, None),
    "bert": (TINY, None),
    "opt": ({**TINY, "word_embed_proj_dim": 16} | {"ffn_dim": 32}, None),
    "rwkv": ({"hidden_size": 16, "attention_hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 32}, None),
    "bart": (
        {"d_model": 16}
        | {f"{side}_{what}": n for side in ("encoder", "decoder")
           for what, n in (("layers", 1), ("attention_heads", 2), ("ffn_dim", 32))},
        None,
    ),
    "bloom": ({"hidden_size": 16, "n_layer": 1, "n_head": 2}, "torch.func.vmap"),
}  # fmt: skip
RUN["opt"][0].pop("intermediate_size")


@pytest.mark.parametrize("hf", RUN)
def test_architectures_run_together_or_say_why_not(hf: str) -> None:
    sizes, why = RUN[hf]
    found = resolved(hf=hf, **sizes)
    assert (found.tried.alone or "").startswith(why or "") and (found.tried.alone is None) == (why is None)
    assert found.learner.arguments["transformers"] and found.learner.arguments["config"] == sizes


SIDES = {f"{side}_{what}": n for side in ("encoder", "decoder")
         for what, n in (("layers", 1), ("attention_heads", 2), ("ffn_dim", 16))} | {"d_model": 16}  # fmt: skip
T5 = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_decoder_layers": 1, "num_heads": 2}
FAR = {"max_position_embeddings": 256}
#: Encoder-decoders that take a mask of two dimensions only.
USUAL_MASK: dict[str, dict[str, Any]] = {
    "longt5": T5 | {"local_radius": 3},
    "led": SIDES
    | {"attention_window": 4, "max_encoder_position_embeddings": 256, "max_decoder_position_embeddings": 256},
    "pegasus_x": SIDES | FAR | {"block_size": 8, "num_global_tokens": 2},
    "prophetnet": {"hidden_size": 16, "ngram": 1, **FAR}
    | {
        f"num_{side}_{what}": n
        for side in ("encoder", "decoder")
        for what, n in (("layers", 1), ("attention_heads", 2))
    }
    | {"encoder_ffn_dim": 16, "decoder_ffn_dim": 16},
    "fsmt": SIDES | FAR,
    "switch_transformers": T5 | {"num_experts": 2, "num_sparse_encoder_layers": 1, "num_sparse_decoder_layers": 1},
}


@pytest.mark.parametrize("hf", USUAL_MASK)
def test_encoder_decoders_that_take_the_usual_mask_alone_are_trained(hf: str) -> None:
    found = resolved(hf=hf, **USUAL_MASK[hf])
    if hf == "fsmt":  # its layers have time first
        assert "a tensor whose batch does not come first (64 x 3 x 16 for 3 examples)" in str(found.tried.alone)
    (result,) = train_chains([[made.training(found.learner, 1)]], made.CPU)
    assert result.status == "ok"


def test_the_keys_of_a_definition_are_the_configuration() -> None:
    arguments = made.learner("hf-gpt2", resid_pdrop=0.0, n_layer=2)
    model = Builder(arguments).module(VOCABULARY, 1)
    assert len(model.model.transformer.h) == 2 and model.model.config.resid_pdrop == 0.0  # type: ignore[union-attr,arg-type]
    assert model.model.config.vocab_size == VOCABULARY.symbols  # type: ignore[union-attr]


def test_another_version_is_another_learner() -> None:
    learner = made.learner("hf-gpt2")
    learner.arguments["transformers"] = "4.0.0"
    with pytest.raises(UserError, match=r"defined with transformers 4\.0\.0"):
        Builder(learner).module(VOCABULARY, 1)


def test_an_encoder_decoder_does_not_see_padding() -> None:
    model = Builder(made.learner("hf-t5")).module(VOCABULARY, 1).eval()
    source, previous = torch.tensor([[8, 9, 8, 2]]), torch.tensor([[2, 4]])
    alone = model(source, source != 1, previous)
    padded = torch.cat([source, torch.ones(1, 5, dtype=torch.long)], 1)
    assert torch.allclose(model(padded, padded != 1, previous), alone, atol=1e-6)
    seen = model(padded, torch.ones_like(padded, dtype=torch.bool), previous)
    assert not torch.allclose(seen, alone, atol=1e-4)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT-2 of 40 symbols that has learned to count upwards, as its own library saves it."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=40, **GPT2))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    start = torch.arange(20)
    for _ in range(30):
        rows = start[:, None] + torch.arange(10)
        optimizer.zero_grad()
        model(input_ids=rows, labels=rows).loss.backward()
        optimizer.step()
    folder = tmp_path_factory.mktemp("saved") / "gpt2"
    model.half().save_pretrained(folder)
    return folder


def test_a_pretrained_learner_starts_from_its_weights_with_symbols_of_its_own(saved: Path) -> None:
    found = resolved(hf="gpt2", pretrained=str(saved))
    assert found.learner.weights == str(saved) and len(found.learner.arguments["pretrained"]) == 64
    one, other = (Builder(found.learner).module(VOCABULARY, seed).state_dict() for seed in (1, 2))
    transformers = pytest.importorskip("transformers")
    theirs = transformers.GPT2LMHeadModel.from_pretrained(saved, dtype=torch.float32).state_dict()
    differing = {name for name in one if not torch.equal(one[name], other[name])}
    assert differing == {"model.transformer.wte.weight", "model.lm_head.weight"}  # one table
    for name in set(one) - differing:
        assert torch.equal(one[name], theirs[name.removeprefix("model.")]) and one[name].dtype == torch.float32
    table = one["model.transformer.wte.weight"]
    assert table.shape == (VOCABULARY.symbols, 16) and 0.01 < table.std() < 0.03
    results = list(train_chains([[made.training(found.learner, 1)]], made.CPU))
    assert results[0].status == "ok" and results[0].engine == "modules"


def test_pretrained_folders_that_do_not_fit_are_refused(saved: Path, tmp_path: Path) -> None:
    import shutil

    def refused(folder: Path, **definition: Any) -> str:
        with pytest.raises(UserError) as error:
            resolved(**{"hf": "gpt2", "pretrained": str(folder)} | definition)
        return str(error.value)

    assert "holds a model of type 'gpt2', not 'llama'" in refused(saved, hf="llama")
    assert "a pretrained model has its own sizes" in refused(saved, n_layer=2)
    copy = Path(shutil.copytree(saved, tmp_path / "copy"))
    (copy / "model.safetensors").unlink()
    assert "holds no weights" in refused(copy)
    from safetensors.torch import load_file, save_file

    weights = load_file(saved / "model.safetensors")
    del weights["transformer.h.0.mlp.c_fc.weight"]
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    assert "lacks weights of its model: transformer.h.0.mlp.c_fc.weight" in refused(copy)


def test_a_job_hears_nothing_from_hugging_face_and_asks_no_network() -> None:
    program = """
import socket, sys
def trap(*a, **k):
    sys.exit("reached for the network")
socket.getaddrinfo = socket.socket.connect = trap
from tests.shared import made_modules as made
from indoubt.engines.modules.engine import train_chains
for name in ("hf-gpt2", "hf-t5"):
    (result,) = train_chains([[made.training(made.learner(name, 2), 1)]], made.CPU)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
