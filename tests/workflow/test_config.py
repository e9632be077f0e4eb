"""The configuration: what is wrong is said with the key, the value and the nearest match."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from indoubt.data.seeds import parse_seeds
from indoubt.errors import UserError
from indoubt.learners.sweeps import expand_learners
from indoubt.training import Protocol
from indoubt.workflow.config_checks import read_config
from indoubt.workflow.plan import Plan
from tests.shared.workspace import ROOT

UNIFORM = {"arch": "uniform_guesser", "user_dir": "tests/shared/plugins/uniform_learner", "optimizer": "adam"}
EXPERIMENT = {"task": "add-or-mul", "sizes": [5], "learners": ["cnn"], "seeds": "1-4"}
GOOD: dict[str, Any] = {"learners": {"cnn": {"arch": "fconv"}}, "experiments": [EXPERIMENT]}


@pytest.mark.parametrize("name", ["config.yaml", "presets/smoke.yaml", "presets/small.yaml", "presets/paper.yaml"])
def test_shipped_configurations_are_right(name: str) -> None:
    content = yaml.safe_load((ROOT / "config.yaml").read_text()) | yaml.safe_load((ROOT / name).read_text())
    config, _ = read_config(content)
    assert config.experiments


def test_defaults_are_independent_trainings() -> None:
    config, _ = read_config(GOOD)
    assert config.resolved_protocol() == Protocol("fresh", "independent", 0)
    released, _ = read_config(GOOD | {"protocol": "released"})
    assert released.resolved_protocol() == Protocol("carried", "released", 1)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"update": 5}, "unknown key 'update'; did you mean 'updates'"),
        ({"updates": "many"}, "updates: .*'many'"),
        ({"updates": 0}, "updates: .* it is 0"),
        ({"engine": "fairsec"}, "engine: 'fairsec' is not allowed.*did you mean 'fairseq'"),
        ({"adam_state": "frsh"}, "adam_state: 'frsh' .*did you mean 'fresh'"),
        ({"min_len": 2}, "min_len: 2 is not allowed, it must be 0 or 1"),
        ({"protocol": "released", "min_len": 0}, "already says adam_state, rng_streams and min_len; leave out min_len"),
        ({"experiments": []}, "experiments: "),
        ({"experiments": [EXPERIMENT | {"sizes": [7]}]}, r"experiments\[0\]: sizes: .*has no size 7; its sizes are 5"),
        ({"experiments": [EXPERIMENT | {"task": "add-or-mull"}]}, "no task 'add-or-mull'.*did you mean 'add-or-mul'"),
        ({"experiments": [EXPERIMENT | {"learners": ["cnm"]}]}, "no learner 'cnm'; there are cnn; did you mean 'cnn'"),
        ({"experiments": [EXPERIMENT | {"measures": ["fpaa"]}]}, "'fpaa' is not allowed.*did you mean 'fpa'"),
        ({"experiments": [EXPERIMENT | {"candidates": ["mull"]}]}, "no candidate 'mull'.*did you mean 'mul'"),
        ({"experiments": [EXPERIMENT | {"seeds": "4-1"}]}, "the range '4-1' runs backwards"),
        ({"experiments": [EXPERIMENT | {"seeds": "x"}]}, "'x' is no list of seeds; seeds are a range such as 1-4"),
        ({"experiments": [EXPERIMENT | {"seeds": [1, 1]}]}, "names a seed twice"),
        ({"experiments": [EXPERIMENT | {"size": [5]}]}, r"unknown key 'experiments\[0\].size'; did you mean 'sizes'"),
        ({"experiments": [{"task": "add-or-mul", "seeds": 1}]}, r"experiments\[0\].learners: this key is missing"),
        ({"learners": {"a/b": {"arch": "fconv"}}}, "name 'a/b' may hold letters"),
        ({"learners": {False: {"arch": "fconv"}}}, "learners: a key: YAML reads no, .* here as False; write it in quo"),
        ({"learners": {"a": {1: 2}}}, "learners.a: a key: YAML reads no, .* here as 1; write it in quotes"),
        ({"experiments": [EXPERIMENT | {"learners": [1]}]}, r"learners\[0\]: YAML .* as 1; write it in quotes"),
    ],
)
def test_faults_are_named(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        read_config(GOOD | change)


def test_all_faults_come_at_once() -> None:
    with pytest.raises(UserError) as caught:
        read_config(GOOD | {"experiments": [EXPERIMENT | {"sizes": [7, 8], "learners": ["x", "y"]}]})
    assert str(caught.value).count("experiments[0]") == 4


@pytest.mark.parametrize(
    ("value", "seeds"), [("1-4", [1, 2, 3, 4]), (7, [7]), ([3, 1], [3, 1]), ("1-2, 11", [1, 2, 11]), ("0", [0])]
)
def test_seeds(value: object, seeds: list[int]) -> None:
    assert parse_seeds(value) == seeds


@pytest.mark.parametrize(
    ("definition", "complaint"),
    [
        ({"arch": "fcnv"}, "learner 'cnn': no architecture 'fcnv' in fairseq; did you mean 'fconv'"),
        ({"arch": "fconv", "encoder_embd_dim": 3}, "unknown argument 'encoder_embd_dim'.*'encoder_embed_dim'"),
        ({"arch": "fconv", "max_tokens": 3}, "'max_tokens' is fairseq's but has no effect"),
        ({"arch": "fconv", "dropout": "high"}, "--dropout: invalid float value: 'high'"),
        ({"arch": "fconv", "optimizer": "adan"}, "no optimizer 'adan' in fairseq; did you mean 'adam'"),
        ({"arch": "transformer_lm"}, "'transformer_lm' is a language model"),
        ({"arch": "multilingual_transformer"}, "'multilingual_transformer' is no encoder-decoder"),
        ({"arch": "cmlm_transformer"}, "'cmlm_transformer' is not autoregressive"),
        ({"arch": "transformer", "user_dir": "no/such"}, "user_dir 'no/such' cannot be imported"),
        ({"arch": "transformer", "cross_self_attention": "yes"}, "'cross_self_attention' is a flag: true or false"),
    ],
)
def test_learners_are_checked_by_fairseqs_own_parser(
    tmp_path: Path, definition: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UserError, match=complaint):
        Plan(GOOD | {"learners": {"cnn": definition}}, tmp_path)


def test_a_learner_is_built_for_the_dictionaries_of_its_own_tasks(tmp_path: Path) -> None:
    """One dictionary for both sides: none can be where one side has `a` and the other `b`; copying has one alphabet."""
    joined = {"arch": "transformer", "share_all_embeddings": True, "encoder_embed_dim": 16, "decoder_embed_dim": 16}
    with pytest.raises(UserError, match=r"cannot be built for the dictionaries of add-or-mul/5, .* joined dictionary"):
        Plan(GOOD | {"learners": {"cnn": joined}}, tmp_path)
    copying = EXPERIMENT | {"task": "copy-or-reverse", "sizes": [4], "candidates": ["copy", "reverse"]}
    learner = Plan(GOOD | {"learners": {"cnn": joined}, "experiments": [copying]}, tmp_path).learners["cnn"]
    assert learner.arguments["share_all_embeddings"] is True


def test_spelling_of_a_learner_does_not_matter(tmp_path: Path) -> None:
    """Names with hyphens, numbers as text and values left at their defaults make the same learner."""
    layers = {"encoder_layers": "[(512, 3)]", "decoder_layers": "[(512, 3)]", "decoder_embed_dim": 16}
    one = {"arch": "fconv", "encoder_embed_dim": 16, "decoder_attention": "[True]", "lr": 0.001} | layers
    other = {
        "arch": "fconv",
        "encoder-embed-dim": "16",
        "lr": "1e-3",
        "decoder-attention": "[True]",
        "dropout": 0.1,
    } | layers
    plan = Plan(GOOD | {"learners": {"cnn": one | {"dropout": 0.1}}}, tmp_path)
    assert Plan(GOOD | {"learners": {"cnn": other}}, tmp_path).learners == plan.learners


def test_plug_ins_are_learners(tmp_path: Path) -> None:
    learner = Plan(GOOD | {"learners": {"cnn": UNIFORM | {"updates": 7}}}, tmp_path).learners["cnn"]
    assert learner.updates == 7
    assert learner.arguments["guess_temperature"] == 1.0


GRID = {
    "arch": ["transformer"],
    "encoder-layers": [1],
    "dropout": [0.1, 0.5],
    "cross-self-attention": True,
    "no-token-positional-embeddings": False,
    "mdl-batches-per-epoch": [5],
    "mdl-train-examples": [1],
    "seed": [1, 2],
}


def test_a_grid_file_of_the_released_code_spans_learners(tmp_path: Path) -> None:
    (tmp_path / "grid.json").write_text(json.dumps(GRID))
    experiment = {"task": "add-or-mul", "sizes": [5], "learners": ["lm"]}
    content = {"learners": {"lm": {"grid": str(tmp_path / "grid.json")}}, "experiments": [experiment]}
    plan = Plan(content, tmp_path)
    assert set(plan.learners) == {"lm,dropout=0.1", "lm,dropout=0.5"}
    learner = plan.learners["lm,dropout=0.1"]
    assert learner.arguments["dropout"] == 0.1 and learner.updates == 5
    assert learner.arguments["cross_self_attention"] is True
    assert learner.arguments["no_token_positional_embeddings"] is False
    assert list(plan.cells["add-or-mul", 5, "lm,dropout=0.5"].seeds) == [1, 2]
    with pytest.raises(UserError, match=r"says mdl-train-examples = \[1\], but task 'comp-or-mem', size 5, has 6"):
        Plan(content | {"experiments": [experiment | {"task": "comp-or-mem"}]}, tmp_path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "cannot be read"),
        ("{", "is no JSON"),
        ("[1]", "must hold one object"),
        ('{"mdl-batch-size": [1, 2]}', "several"),
        ('{"mdl-epochs": [1, 2]}', "several values for mdl-epochs"),
        ('{"mdl-epochs": ["many"]}', "mdl-epochs = 'many'; it must be a whole number"),
        ('{"mdl-epochs": 500, "mdl-batch-size": 16}', "the critique's code draws fixed chunks"),
    ],
)
def test_a_grid_file_that_is_none_is_refused(tmp_path: Path, text: str | None, complaint: str) -> None:
    if text is not None:
        (tmp_path / "grid.json").write_text(text)
    with pytest.raises(UserError, match=complaint):
        expand_learners(GOOD | {"learners": {"cnn": {"grid": str(tmp_path / "grid.json")}}})


@pytest.mark.parametrize(
    ("how", "updates"),
    [
        ({"mdl-batches-per-epoch": [5]}, 5),
        ({"mdl-epochs": [3000]}, 3000),
        ({"mdl-epochs": 500, "mdl-batches-per-epoch": [1000]}, 500_000),
    ],
)
def test_updates_of_the_papers_and_of_the_critiques_grid_files(
    tmp_path: Path, how: dict[str, Any], updates: int
) -> None:
    (tmp_path / "grid.json").write_text(json.dumps({"arch": ["lstm"]} | how))
    learners = expand_learners({"learners": {"it": {"grid": str(tmp_path / "grid.json")}}}).content["learners"]
    assert learners == {"it": {"arch": "lstm", "updates": updates}}


def test_resolved_learners_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = GOOD | {"learners": {"cnn": UNIFORM}}
    first = Plan(content, tmp_path).learners
    monkeypatch.setattr("subprocess.run", None)  # a second resolution would call it
    assert Plan(content, tmp_path).learners == first


def test_a_learner_may_import_a_package_that_pythonpath_leads_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages/widths_of_mine.py").write_text("WIDTH = 16\n")
    bag = (ROOT / "tests/shared/learners/bag.py").read_text()
    (tmp_path / "mine.py").write_text(bag.replace("\nfrom torch", "\nimport widths_of_mine\nfrom torch", 1))
    content = GOOD | {"learners": {"cnn": {"module": str(tmp_path / "mine.py")}}}
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "packages"))
    assert Plan(content, tmp_path).engine("cnn") == "modules"
