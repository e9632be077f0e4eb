"""Every argument with an effect is honoured or a reason to refuse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import side_by_side as sides
from side_by_side import SMALL

from indoubt.engines.fused.architectures import supports
from indoubt.learners.fairseq_definitions import resolve
from indoubt.training import Protocol


@pytest.mark.parametrize("name", SMALL)
def test_built_in_learners_have_a_fused_form(name: str) -> None:
    assert supports(sides.learner(name), Protocol()) is None
    assert supports(sides.learner(name), Protocol(adam_state="carried", min_len=1)) is None


@pytest.mark.parametrize(
    ("name", "changes", "word"),
    [
        ("lstm", {"encoder_layers": 2, "decoder_layers": 2}, "layers 2"),
        ("lstm", {"encoder_bidirectional": True}, "encoder_bidirectional True"),
        ("lstm", {"decoder_out_embed_dim": 8}, "decoder_out_embed_dim"),
        ("lstm", {"encoder_freeze_embed": True}, "encoder_freeze_embed True"),
        ("cnn", {"encoder_layers": "[(24, 3)] * 2"}, "encoder_layers"),
        ("cnn", {"encoder_layers": "[(24, 2)]"}, "odd"),
        ("cnn", {"decoder_layers": "[(20, 3, 0)]"}, "decoder_layers"),
        ("transformer", {"encoder_normalize_before": True}, "encoder_normalize_before True"),
        ("transformer", {"activation_fn": "gelu"}, "activation_fn 'gelu'"),
        ("transformer", {"attention_dropout": 0.1}, "attention_dropout 0.1"),
        ("transformer", {"encoder_layerdrop": 0.5}, "encoder_layerdrop 0.5"),
        ("transformer", {"share_decoder_input_output_embed": True}, "share_decoder_input_output_embed True"),
        ("transformer", {"optimizer": "sgd"}, "optimizer 'sgd'"),
        ("transformer", {"lr_scheduler": "fixed"}, "lr_scheduler 'fixed'"),
        ("transformer", {"weight_decay": 0.1}, "weight_decay 0.1"),
    ],
)
def test_what_is_not_honoured_is_named(name: str, changes: dict[str, Any], word: str) -> None:
    definition = SMALL[name] | sides.OPTIMISATION | changes
    if changes.get("lr_scheduler") == "fixed":
        definition = {key: value for key, value in definition.items() if key != "warmup_init_lr"}
    reason = supports(resolve(definition, 20, None), Protocol())
    assert reason is not None
    assert word in reason


def test_other_architectures_and_protocols_are_named() -> None:
    learner = sides.learner("transformer")
    lightconv = replace(learner, arguments=learner.arguments | {"arch": "lightconv"})
    assert "'lightconv'" in str(supports(lightconv, Protocol()))
    assert supports(replace(learner, batch_size=4), Protocol()) is None
    assert "released" in str(supports(learner, Protocol(rng_streams="released")))
    never = replace(learner, arguments=learner.arguments | {"dropout": 1.0})
    assert "dropout 1.0" in str(supports(never, Protocol()))
    assert "user_dir" in str(supports(replace(learner, plugins="plugins"), Protocol()))


def test_layers_are_read_and_not_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    climber = "[c for c in ().__class__.__base__.__subclasses__() if c.__name__ == '_wrap_close'][0]"
    for text in (f"{climber}.__init__.__globals__['system']('touch RAN')", "__import__('os').system('touch RAN')"):
        cnn = sides.learner("cnn")
        cnn = replace(cnn, arguments=cnn.arguments | {"decoder_layers": text})
        assert "has no fused form; [(channels, width)] has" in str(supports(cnn, Protocol()))
    assert not (tmp_path / "RAN").exists()
