"""What each learner is, in words, for the report: fairseq's architecture, a class in a file, a Hugging Face type."""

from __future__ import annotations

from indoubt.training import Learner
from indoubt.workflow.planning.plan import Plan


def described(plan: Plan) -> dict[str, str]:
    """A line for each learner of a plan: what it is, its number of weights where it was counted, how it is trained."""
    return {name: "; ".join(_parts(plan, name)) for name in sorted(plan.learners)}


def _parts(plan: Plan, name: str) -> list[str]:
    learner = plan.learners[name]
    parts = [_what(learner)]
    tried = plan.tried.get(name)
    if tried is not None:
        parts.append(f"{tried.weights:,} weights with dictionaries of 8 symbols")
    parts.append(f"engine {plan.engine(name)}, {learner.updates:,} updates")
    if tried is not None and tried.alone is not None:
        parts.append(f"trained one at a time: {tried.alone}")
    return parts


def _what(learner: Learner) -> str:
    arguments = learner.arguments
    if "arch" in arguments:
        return f"fairseq's {arguments['arch']}"
    if "hf" in arguments:
        start = f", pretrained weights {arguments['pretrained'][:12]}" if "pretrained" in arguments else ""
        return (
            f"Hugging Face's {arguments['hf']} ({arguments['head']}), transformers {arguments['transformers']}{start}"
        )
    return f"class {arguments['module'].rsplit('.', 1)[1]} of {learner.user_dir}"
