"""The atlas marks learners that cannot tell order or length."""

from __future__ import annotations

from indoubt.data.task import load_tasks
from indoubt.figures.atlas import atlas
from indoubt.measures.classify import predictions
from indoubt.tables.tables import build_tables
from tests.shared.made_up import decode, follow

TASK = load_tasks()["first-last-majority-parity"]


def test_the_name_of_a_blind_learner_has_a_mark_that_is_explained() -> None:
    rows = {
        learner: [
            decode(TASK.name, 5, learner, seed, follow(TASK, 5, "majority"), training_id=f"{learner}{seed}")
            for seed in range(1, 7)
        ]
        for learner in ("blind", "seeing")
    }
    lines = [line for of in rows.values() for line in predictions(TASK, 5, of)]
    made = build_tables(
        [], [*rows["blind"], *rows["seeing"]], lines, {TASK.name: TASK}, cannot_tell={"blind": ["order"]}
    )
    (figure,) = atlas(made["verdicts"], made["fpa"], made["code_length"]).figures
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["blind †", "seeing"]
    assert any(
        "† cannot tell order, whatever its weights" in " ".join(text.get_text().split()) for text in figure.texts
    )
