"""What docs/findings.md says is what its archive holds."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from indoubt.data.codes import race
from indoubt.schema import CELL, RUN
from indoubt.tables.tables import read_table
from indoubt.workflow.config_files import content_of
from indoubt.workflow.plan import Plan
from indoubt.workflow.status import measured_part
from scripts.quote import quoted
from tests.shared.workspace import ROOT

FINDINGS = ROOT / "docs/findings"
pytestmark = pytest.mark.xdist_group("findings")


def tables_of(archive: str, results: Path) -> Path:
    """An archive's tables, rebuilt without the workflow and without training."""
    script = [sys.executable, str(ROOT / "scripts/archive.py"), "rebuild", "--tables", str(FINDINGS / archive)]
    done = subprocess.run([*script, "--results", str(results)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return results


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tables_of("atlas.tar.gz", tmp_path_factory.mktemp("findings") / "results")


def test_every_number_of_the_text_is_the_archives(rebuilt: Path) -> None:
    tables = {name: read_table(rebuilt / "tables", name) for name in RUN}
    text = (FINDINGS / "findings.md.j2").read_text()
    assert quoted(text, tables) == (ROOT / "docs/findings.md").read_text(), "make findings"


def test_what_the_text_says_that_no_seed_does_none_does(rebuilt: Path) -> None:
    """Rules that stand in the text without a number, since nobody follows them, or nobody but one learner."""
    nobodys = {
        "odd-or-place": {"middle"},
        "mul-by-3": {"affine", "mul"},
        "mutual-exclusivity": {"unused"},
        "comp-or-mem": {"compo"},
        "copy-or-reverse": {"reverse"},
        "count-wrap-saturate": {"wrap"},
    }
    fpa = read_table(rebuilt / "tables", "fpa")
    for task, rules in nobodys.items():
        rows = fpa[(fpa["task"] == task) & fpa["class"].isin(rules)]
        assert set(rows["class"]) == rules and rows["n_seeds"].sum() > 0
        assert rows["n"].sum() == 0, task
    adds = fpa[(fpa["task"] == "mul-by-3") & (fpa["class"] == "add") & (fpa["n"] > 0)]
    assert set(adds["learner"]) == {"lstm"}


def test_what_the_text_says_is_preferred_is_by_the_corrected_test(rebuilt: Path) -> None:
    """The words about code lengths, learner by learner; `open` where they say that no test is sure,
    `descriptive` where seeds are too few for one.
    """
    said = {
        "odd-or-place": {
            "transformer": "oddone",
            "transformer-0.1": "oddone",
            "decoder-nope": "oddone",
            "s4d": "descriptive",
        },
        "hierar-or-linear": {
            "decoder-learned": "linear",
            "decoder-nope": "hierar",
            "decoder-rope": "linear",
            "decoder-sinusoidal": "open",
            "gru-64": "open",
            "hf-llama": "linear",
            "s4d": "linear",
            "transformer": "hierar",
            "transformer-alibi": "hierar",
            "transformer-nope": "hierar",
        },
        "add-or-mul": {"decoder-learned": "mul", "transformer-joint": "mem", "s4d": "mem"},
        "comp-or-mem": {
            "decoder-nope": "mem_prim",
            "decoder-rope": "open",
            "decoder-sinusoidal": "open",
            "hf-gpt2": "open",
            "hf-t5": "open",
            "s4d": "mem_prim",
            "transformer-0.1": "open",
            "transformer-nope": "mem_func",
            "transformer-rope": "open",
        },
        "copy-or-reverse": {
            "decoder-rope": "open",
            "s4d": "copy",
            "transformer-0.1": "open",
            "transformer-rope": "open",
        },
        "count-wrap-saturate": {
            "decoder-rope": "open",
            "s4d": "saturate",
            "transformer-0.1": "saturate",
            "transformer-rope": "saturate",
        },
        "first-last-majority-parity": {
            "decoder-nope": "majority",
            "decoder-rope": "open",
            "decoder-sinusoidal": "open",
            "transformer": "majority",
        },
    }
    verdicts = read_table(rebuilt / "tables", "verdicts").set_index(["task", "learner"])
    verdicts = verdicts[verdicts["code_n"] > 0]
    for task, learners in said.items():
        for learner, rule in learners.items():
            (row,) = verdicts.loc[[(task, learner)]].to_dict("records")
            assert (row["code_rule"] if row["code_level"] == "tested" else row["code_level"]) == rule, (task, learner)


def test_the_runs_of_the_papers_readme_are_the_archives(tmp_path: Path) -> None:
    tables = tables_of("readme.tar.gz", tmp_path / "results") / "tables"
    text = (FINDINGS / "readme.md.j2").read_text()
    assert quoted(text, {name: read_table(tables, name) for name in RUN}) == (FINDINGS / "readme.md").read_text()
    claims = read_table(tables, "claims").set_index("id")["state"]
    assert (
        claims[["readme-lstm-multiplies", "readme-cnn-memorizes", "readme-transformer-memorizes"]] == "supported"
    ).all()


@pytest.mark.parametrize("name", ["in-context", "starts"])
def test_what_a_page_beside_the_findings_says_is_its_archives(name: str, tmp_path: Path) -> None:
    """Rebuilt without the language model, whose folder is not there; what was not run is what the preset has beside."""
    results = tables_of(f"{name}.tar.gz", tmp_path / "results")
    text = (FINDINGS / f"{name}.md.j2").read_text()
    tables = {table: read_table(results / "tables", table) for table in RUN}
    assert quoted(text, tables) == (FINDINGS / f"{name}.md").read_text(), "make findings"
    content = content_of([str(ROOT / f"presets/{name}.yaml")], [])
    missing = measured_part(content, Plan(content, results / ".cache"), results / "ledger").missing
    assert (FINDINGS / f"{name}-not-run.txt").read_text().splitlines() == missing


def test_a_race_would_have_found_the_shortest_code_of_every_seed(rebuilt: Path) -> None:
    """Replayed on all full codes: the same rule, and two fifths of the trainings and of their seconds."""
    blocks = read_table(rebuilt / "tables", "blocks")
    blocks = blocks[(blocks["codes"] == "full") & blocks["bits"].notna()]
    seconds, shares, wrong, n_seeds = Counter[str](), [], 0, 0
    for _, cell in blocks.groupby(CELL):
        trained = Counter[str]()
        for _, of in cell.groupby("seed"):
            bits, took = (of.pivot(index="dataset", columns="block", values=value) for value in ("bits", "seconds"))
            if bits.isna().any(axis=None):
                continue
            parts = race(list(bits.index), bits.shape[1], lambda rule, part: float(bits.loc[rule].iloc[part])).parts  # noqa: B023
            complete = [rule for rule in parts if parts[rule] == bits.shape[1]]
            wrong += bits.sum(axis=1)[complete].min() > bits.sum(axis=1).min() + 1e-9
            trained.update(raced=sum(parts.values()) - len(parts), full=len(parts) * (bits.shape[1] - 1))
            seconds.update(full=took.iloc[:, 1:].to_numpy().sum())
            seconds.update(raced=sum(took.loc[rule].iloc[1 : parts[rule]].sum() for rule in parts))
            n_seeds += 1
        shares.append(trained["raced"] / trained["full"])
    assert n_seeds >= 540 and len(shares) >= 45 and wrong == 0
    assert sum(shares) / len(shares) <= 0.40 and seconds["raced"] <= 0.38 * seconds["full"]


@pytest.mark.long
def test_the_comparison_of_kinds_of_codes_is_its_archives(tmp_path: Path) -> None:
    results = tables_of("codes.tar.gz", tmp_path / "results")
    spec = importlib.util.spec_from_file_location("compared_codes", ROOT / "docs/tools/codes.py")
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    page = (ROOT / "docs/measures.md").read_text()
    lines = tool.of_folder(results)
    assert len(lines) >= 12 and all(line in page for line in lines)


def test_the_tables_beside_the_text_are_the_archives(rebuilt: Path) -> None:
    kept = sorted((FINDINGS / "tables").glob("*.csv"))
    assert len(kept) >= 5
    for table in kept:
        assert table.read_bytes() == (rebuilt / "tables" / table.name).read_bytes(), f"{table.name}: make findings"


def test_what_was_not_run_is_listed(rebuilt: Path) -> None:
    measured_by = yaml.safe_load((rebuilt / "archived/config.yaml").read_text()).get("measured_by", {})
    content = content_of([str(ROOT / "presets/atlas.yaml")], []) | {"measured_by": measured_by}
    missing = measured_part(content, Plan(content, rebuilt / ".cache"), rebuilt / "ledger").missing
    assert (FINDINGS / "not-run.txt").read_text().splitlines() == missing


def test_the_archive_is_small_enough_to_be_kept() -> None:
    assert (FINDINGS / "atlas.tar.gz").stat().st_size < 10e6
