"""Golden trainings: a few small ones of each engine and kind of learner, with the numbers that they have always given.

    python -m tests.shared.golden            compare today's code; where the numbers are the same, record its sources
    python -m tests.shared.golden --renew    write today's numbers as the golden ones, after the version was raised

On the kind of CPU where they were recorded the numbers are held to the bit, on others to 1e-6.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import indoubt.data.compat  # noqa: F401  (must come before fairseq)

import torch
import yaml

from indoubt.engines.registry import ENGINES
from indoubt.learner import Learner
from indoubt.learners.fairseq_definitions import resolve
from indoubt.training import Decode, Protocol, Score, Training
from indoubt.workflow.code_hash import own_code
from indoubt.workflow.identity import MODULES_THEN, NUMBERS, numbers_of, sources_hash
from tests.shared import in_context
from tests.shared import made_modules as made

FOLDER = Path(__file__).resolve().parents[1] / "engines/golden"
#: Relative, on another kind of CPU than that of the record.
TOLERANCE = 1e-6
UPDATES, MILESTONE = 20, 8
#: Rates at which 20 updates move a learner's outputs.
QUICK = {"lr": 1e-3, "warmup_updates": 10, "warmup_init_lr": 1e-5}
FAIRSEQS = ("lstm", "lstm-attention", "cnn", "transformer", "transformer-joint")
MODULES: dict[str, dict[str, Any]] = {
    "transformer.Transformer": {"heads": 2, "dropout": 0.1},
    "decoder_only.DecoderOnly": {"heads": 2, "positions": "rope", "dropout": 0.1},
    "recurrent.Recurrent": {"hidden": 64, "dropout": 0.5},
    "mamba.Mamba": {},
    "s4d.S4D": {},
    "hf-gpt2": {},
    "hf-t5": {},
}
Numbers = dict[str, dict[str, Any]]


def kind_of_cpu() -> dict[str, str]:
    """What the bits of a number hang on beside the code."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in info.splitlines())}
    cpu = [fields[name] for name in ("model name", "cpu family", "model", "stepping") if name in fields]
    compiler = subprocess.run(["cc", "--version"], capture_output=True, text=True, check=False).stdout
    return {
        "cpu": " ".join(cpu) or platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "torch": str(torch.__version__),
        "compiler": compiler.partition("\n")[0],
    }


def chains(engine: str) -> Iterator[tuple[str, list[Training]]]:
    """The golden trainings of an engine by name, as chains: alone, with drawn batches, with Adam carried on."""
    if engine == "in_context":
        yield from _read_in_context()
        return
    for name, learner in _learners(engine):
        yield name, [_training(learner, Protocol(), 1, 0)]
        yield f"{name}, seed 2, after two blocks", [_training(learner, Protocol(), 2, 2)]
        yield f"{name}, batches drawn", [_training(replace(learner, batch_size=2), Protocol(), 1, 0)]
        carried = Protocol("carried")
        yield f"{name}, Adam carried", [_training(learner, carried, 1, block) for block in (0, 1)]
        if engine == "fairseq":
            released = Protocol("carried", "released", 1)
            yield f"{name}, as released", [_training(learner, released, 1, block) for block in (0, 1)]


def _learners(engine: str) -> Iterator[tuple[str, Learner]]:
    if engine == "modules":
        for name, arguments in MODULES.items():
            learner = made.learner(name, UPDATES, **arguments)
            yield name, replace(learner, arguments=learner.arguments | QUICK | {"lr": [QUICK["lr"]]})
        return
    definitions = yaml.safe_load((made.ROOT / "config.yaml").read_text(encoding="utf-8"))["learners"]
    for name in FAIRSEQS:
        yield name, resolve(definitions[name] | QUICK, UPDATES, None)


def _read_in_context() -> Iterator[tuple[str, list[Training]]]:
    """Language models of drawn weights: prompts of two seeds, formats, kinds of numbers; and weights of each seed's."""
    folder = in_context.saved_llama(Path(tempfile.mkdtemp()) / "llama")
    kinds: dict[str, dict[str, Any]] = {
        "arrow": {},
        "labels, three copies": {"format": "labels", "copies": 3, "symbols": "any"},
        "instructed, in bfloat16": {"format": "instructed", "dtype": "bfloat16"},
        "given order, own symbols": {"order": "given", "symbols": "own"},
        "weights of each seed's own": {"weights": "untrained"},
    }
    for name, arguments in kinds.items():
        learner = in_context.learner(folder, **arguments)
        for seed, block in ((1, 0), (2, 0), (1, 2)):
            training = _training(learner, Protocol(), seed, block)
            yield f"{name}, seed {seed}, after {block} blocks", [training.at(None)]


def _training(learner: Learner, protocol: Protocol, seed: int, block: int) -> Training:
    """A training asked for codes and outputs, at a milestone and at its end."""
    scores = tuple(Score(examples, at) for examples in (made.FIRST, made.T + made.SECOND) for at in (MILESTONE, None))
    sources = tuple(source for source in made.DECODE.sources if len(source) > 1)
    decodes = tuple(Decode(sources, protocol.min_len, 12, at) for at in (MILESTONE, None))
    chain = (3, "golden") if protocol.adam_state == "carried" else None
    if chain is not None and block == 0:
        decodes = ()  # as in the workflow: T alone is a chain by itself
    return Training(learner, protocol, seed, made.SOURCE, made.TARGET, made.BLOCKS[: block + 1], chain, scores, decodes)


def measured(engine: str) -> Numbers:
    """What today's code gives for an engine's golden trainings, in a process of their own, as a job's are.

    In one with others the bits hang on which came first: MKL is set up once in a process.
    """
    command = [sys.executable, "-W", "ignore", "-m", "tests.shared.golden", "--numbers", engine]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    environment.pop("MKL_CBWR", None)  # which engine `modules` sets for itself
    done = subprocess.run(command, cwd=made.ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    numbers: Numbers = json.loads(done.stdout)
    return numbers


def numbers_here(engine: str) -> Numbers:
    """The same in this process: nats and outputs in the order of asking."""
    named = dict(chains(engine))
    trainings = {each.key: each for chain in named.values() for each in chain}
    names = {each.key: f"{name}, block {each.block}" for name, chain in named.items() for each in chain}
    numbers = {}
    for alike in _of_one_learner(list(named.values())):
        for result in ENGINES[engine].train_chains(alike, torch.device("cpu")):
            training = trainings[result.key]
            numbers[names[result.key]] = {
                "status": result.status,
                "nats": [result.nats[score.key] for score in training.scores],
                "outputs": [result.outputs[decode.key] for decode in training.decodes],
            }
    return {name: numbers[name] for name in sorted(numbers)}


def _of_one_learner(all_chains: Sequence[list[Training]]) -> Iterator[list[list[Training]]]:
    """Chains that a call of an engine takes: of one learner, protocol and length."""
    groups: dict[str, list[list[Training]]] = {}
    for chain in all_chains:
        about = [vars(chain[0].learner), vars(chain[0].protocol), len(chain)]
        groups.setdefault(json.dumps(about, sort_keys=True), []).append(chain)
    yield from groups.values()


def recorded(engine: str) -> dict[str, Any]:
    """The golden numbers of an engine: `made_on`, `version`, `numbers`."""
    content: dict[str, Any] = json.loads((FOLDER / f"{engine}.json").read_text(encoding="utf-8"))
    return content


def differences(golden: Mapping[str, Any], numbers: Numbers) -> list[str]:
    """What is not as it was, in words: to the bit where the kind of CPU is that of the record."""
    exact = golden["made_on"] == kind_of_cpu()
    then: Numbers = golden["numbers"]
    said = [f"{name}: is no golden training any more" for name in sorted(then.keys() - numbers.keys())]
    said += [f"{name}: has no golden numbers" for name in sorted(numbers.keys() - then.keys())]
    for name in sorted(then.keys() & numbers.keys()):
        before, now = then[name], numbers[name]
        if before["status"] != now["status"]:
            said.append(f"{name}: {now['status']}, was {before['status']}")
        off = [_off(one, other) for one, other in zip(before["nats"], now["nats"], strict=True)]
        if any(each > (0 if exact else TOLERANCE) for each in off):
            said.append(f"{name}: a code length is off by {max(off):.2g} of itself")
        if exact and before["outputs"] != now["outputs"]:
            said.append(f"{name}: outputs are {now['outputs']}, were {before['outputs']}")
    return said


def _off(one: float, other: float) -> float:
    return 0.0 if one == other else abs(one - other) / max(abs(one), abs(other), math.ulp(0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--renew", action="store_true", help="write today's numbers as the golden ones")
    parser.add_argument("--numbers", metavar="ENGINE", help="print an engine's numbers of today, no more")
    options, failed = parser.parse_args(), False
    if options.numbers:
        torch.set_num_threads(1)
        print(json.dumps(numbers_here(options.numbers)))
        return
    declared = json.loads(NUMBERS.read_text(encoding="utf-8"))
    for engine in ENGINES:
        numbers, version, code = measured(engine), numbers_of(engine).version, sources_hash(engine)
        if options.renew and (not (FOLDER / f"{engine}.json").exists() or recorded(engine)["version"] != version):
            content = {"version": version, "made_on": kind_of_cpu(), "numbers": numbers}
            FOLDER.mkdir(exist_ok=True)
            (FOLDER / f"{engine}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            declared[engine] = {"version": version, "sources": [code]}
        golden = recorded(engine)
        said = differences(golden, numbers)
        exactly = "to the bit" if golden["made_on"] == kind_of_cpu() else f"to {TOLERANCE:g} (another kind of CPU)"
        if said:
            failed = True
            print(f"{engine}-{version}: {len(said)} differences\n  " + "\n  ".join(said))
            print(
                f"  If they are meant, raise the version of {engine} in {NUMBERS.name}, say in the changelog which "
                "results are wrong and since when, and run this with --renew"
            )
            continue
        print(f"{engine}-{version}: {len(numbers)} golden trainings as they were, {exactly}")
        if code not in declared[engine]["sources"]:
            declared[engine]["sources"].append(code)
            print(f"  sources {code} recorded")
        if engine == "modules":
            for file in sorted((made.ROOT / "learners").glob("*.py")):
                own, known = own_code(MODULES_THEN, file), declared["learners"].setdefault(file.stem, [])
                if own not in known:
                    known.append(own)
                    print(f"  learners/{file.name} {own} recorded")
    NUMBERS.write_text(json.dumps(declared, indent=1) + "\n", encoding="utf-8")
    sys.exit(failed)


if __name__ == "__main__":
    main()
