"""Small language models in folders, and readers with known answers, for tests of what is read in context."""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from indoubt.data.datasets import dataset_in_memory
from indoubt.data.task import Symbols, Task
from indoubt.engines.in_context import engine
from indoubt.engines.in_context.folder import identity_of
from indoubt.engines.in_context.prompts import Prompt, Tokens, Writer
from indoubt.engines.in_context.reader import Reader
from indoubt.learner import InContextLearner
from indoubt.training import Protocol, Result, Training
from indoubt.workflow.required_trainings import Cell, chains

WORDS = ["<s>", "<pad>", "<unk>", "\n", " ->", *(f" {letter}" for letter in string.ascii_lowercase)]
ARGUMENTS: dict[str, Any] = {
    "format": "arrow",
    "symbols": "letters",
    "copies": 1,
    "order": "drawn",
    "dtype": "float32",
    "weights": "trained",
}


def tokenizer(words: Sequence[str] = WORDS) -> PreTrainedTokenizerFast:
    """A tokenizer that knows some words, each with the blank before it."""
    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Split(Regex(r" ?[^\s]+|\n"), behavior="isolated")
    made.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token="<s>",
        pad_token="<pad>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
    )


def saved_llama(folder: Path, seed: int = 0, uniform: bool = False, **changed: Any) -> Path:
    """A folder with a tiny Llama of weights that are drawn, or one that finds every token equally likely."""
    torch.manual_seed(seed)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    about = {"vocab_size": len(WORDS), "num_key_value_heads": 1, "max_position_embeddings": 2048}
    config = LlamaConfig(
        **(
            sizes
            | about
            | {"initializer_range": 0.3, "bos_token_id": 0, "eos_token_id": None, "pad_token_id": 1}
            | changed
        )
    )
    model = LlamaForCausalLM(config)
    if uniform:
        model.lm_head.weight.data.zero_()
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def learner(folder: Path, **changed: Any) -> InContextLearner:
    """The learner of a folder, resolved but not looked at."""
    return InContextLearner(ARGUMENTS | changed | {"in_context": identity_of(folder)}, folder=str(folder))


def cell_of(task: Task, size: int, of: InContextLearner, min_len: int = 0) -> Cell:
    """A (task, size) with all of its datasets."""
    data = {name: dataset_in_memory(task, size, name) for name in task.datasets}
    n_training, width = len(task.training_inputs(size)), task.block_size_at(size)
    return Cell(data, n_training, width, of, Protocol(min_len=min_len))


def trainings(cell: Cell, seeds: Sequence[int]) -> list[Training]:
    """All trainings of a cell: FPA, and all blocks of all candidates."""
    n_blocks = max(len(cell.blocks(name, 1)) for name in cell.datasets)
    asked = [(name, seed) for seed in seeds for name in cell.datasets]
    return [chain[0] for chain in chains(cell, asked, range(n_blocks))]


def bits(cell: Cell, results: Mapping[str, Result], candidate: str, seed: int) -> float:
    """A seed's code length of a candidate, from the results by key."""
    sent = cell.sequence(candidate, seed)
    return sum(results[each.key].nats[each.scores[0].key] for each in sent) / math.log(2)


def outputs(cell: Cell, results: Mapping[str, Result], seed: int) -> list[Symbols]:
    """What a seed outputs for the test inputs."""
    training = cell.training("fpa", seed, 0)
    symbols = cell.datasets["fpa"].target_vocabulary.symbols
    return [tuple(symbols[i] for i in each) for each in results[training.key].outputs[training.decodes[0].key]]


class Oracle(Reader):
    """A reader that is sure of what a rule gives: it reads the tokens of one prompt, and knows what they stand for."""

    vocabulary, at_once = len(WORDS), 10**6

    def __init__(self, prompt: Prompt, cell: Cell, rule: Callable[[Symbols], Symbols], sure: float = 1 - 1e-4) -> None:
        data = cell.datasets["fpa"]
        sides = ((prompt.source, data.source_vocabulary), (prompt.target, data.target_vocabulary))
        self._names = {token: name for tokens, of in sides for token, name in zip(tokens, of.symbols, strict=True)}
        self._tokens = {name: token for token, name in self._names.items()}
        self._prompt, self._rule = prompt, rule
        self._high = math.log(sure / (1 - sure) * (self.vocabulary - 1))

    def start(self) -> list[list[int]]:
        return []

    def taken(self, state: list[list[int]], rows: Sequence[int]) -> list[list[int]]:
        return [list(state[row]) for row in rows]

    def expects(self, state: list[list[int]], ids: Tensor, where: Tensor) -> tuple[Tensor, list[list[int]]]:
        read = self.taken(state, range(len(state))) or [[] for _ in ids]
        logits = torch.zeros(*ids.shape, self.vocabulary)
        for row, (so_far, new) in enumerate(zip(read, ids.tolist(), strict=True)):
            for time, token in enumerate(new):
                so_far.append(token)
                following = self._following(so_far)
                if following is not None:
                    logits[row, time, following] = self._high
        return logits[where], read

    def _following(self, read: list[int]) -> int | None:
        """The token that comes next in an output; None where none is being given."""
        ends = [place for place, token in enumerate(read) if token in (self._prompt.end, WORDS.index("<s>"))]
        example = read[ends[-1] + 1 :] if ends else read
        (between,) = self._prompt.between
        if between not in example:
            return None
        source, said = example[: example.index(between)], example[example.index(between) + 1 :]
        output = self._rule(tuple(self._names[token] for token in source))
        return self._tokens[output[len(said)]] if len(said) < len(output) else self._prompt.end


def read_by_oracle(cell: Cell, rule: Callable[[Symbols], Symbols], seeds: Sequence[int]) -> dict[str, Result]:
    """What an oracle of a rule gives, by the trainings' keys."""
    writer = Writer(Tokens(tokenizer()), cell.learner.arguments, "an oracle")
    asked = trainings(cell, seeds)

    def reader_of(seed: int) -> Oracle:
        return Oracle(writer.prompt(cell.training("fpa", seed, 0)), cell, rule)

    return {result.key: result for result in engine.results(asked, writer, reader_of, together=False)}
