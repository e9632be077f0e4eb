"""Learners of the configuration, resolved by fairseq's own parser in a process of its own, and remembered."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doubt.errors import UserError
from doubt.files import ROOT, write_atomically
from doubt.training import Learner
from doubt.workflow.planning.code_hash import code_hash
from doubt.workflow.planning.config import Config


@dataclass(frozen=True)
class ResolvedLearner:
    """A learner, and why it has no fused form under the configuration's protocol (None: it has one)."""

    learner: Learner
    not_fused: str | None


def resolved_learners(config: Config, cache: Path) -> dict[str, ResolvedLearner]:
    """The learners that experiments use, resolved or remembered.

    Args:
        cache: folder of what is remembered, by content: definitions and the code that resolves them.

    Raises:
        UserError: a definition is wrong, or the cache cannot be written.
    """
    used = {name for experiment in config.experiments for name in experiment.learners}
    request: dict[str, Any] = {
        "learners": {name: config.learners[name] for name in sorted(used)},
        "updates": config.updates,
        "batch_size": config.batch_size,
        "protocol": vars(config.resolved_protocol()),
    }
    text = json.dumps(request, sort_keys=True)
    definitions = [learner for learner in request["learners"].values() if isinstance(learner, dict)]
    plugins = sorted(str(learner["user_dir"]) for learner in definitions if learner.get("user_dir"))
    sources = [path for folder in plugins for path in sorted(Path(folder).resolve().glob("**/*.py"))]
    key = hashlib.sha256(f"{text}{code_hash('doubt/learners/definitions.py', *sources)}".encode()).hexdigest()[:24]
    known = cache / f"{key}.json"
    if not known.exists():
        command = [sys.executable, "-m", "doubt.learners.definitions"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, input=text, capture_output=True, text=True, env=environment, check=False)
        if done.returncode != 0:
            raise UserError(f"the configuration is wrong:\n  learners: {done.stderr.strip().splitlines()[-1]}")
        write_atomically(known, done.stdout)
    found = json.loads(known.read_text(encoding="utf-8"))
    return {name: ResolvedLearner(Learner(**one["learner"]), one["not_fused"]) for name, one in found.items()}
