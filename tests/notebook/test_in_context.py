"""A language model that reads T in a prompt, measured from Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from indoubt import measure
from indoubt.errors import UserError
from tests.shared import in_context


def test_a_folder_is_measured_by_its_path(tmp_path: Path) -> None:
    folder = in_context.saved_llama(tmp_path / "llama", uniform=True, tie_word_embeddings=False)
    definition = {"in_context": str(folder), "symbols": "letters"}
    found = measure("hierar-or-linear", definition, seeds="1-2", measures=("code_length",), progress=False)
    assert found.engine == "in_context" and set(found.code_lengths["updates"]) == {0}
    assert found.code_lengths["bits_mean"].tolist() == pytest.approx(found.code_lengths["uniform_bits"].tolist())


@pytest.mark.parametrize(
    ("task", "symbols", "words"),
    [
        ("count-or-mem", "letters", "reads 300 (max_position_embeddings); measure fpa alone"),
        ("add-or-mul", "own", "would be the same prompt"),
        ("comp-or-mem", "words", "there are 11 symbols, and 0 words among the tokens"),
    ],
)
def test_what_cannot_be_read_is_refused_before(tmp_path: Path, task: str, symbols: str, words: str) -> None:
    folder = in_context.saved_llama(tmp_path / "llama", max_position_embeddings=300)
    with pytest.raises(UserError) as error:
        measure(task, {"in_context": str(folder), "symbols": symbols}, seeds="1-2", progress=False)
    assert words in str(error.value)
