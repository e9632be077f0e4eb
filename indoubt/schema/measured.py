"""What was measured: code lengths, classes of seeds, shares, outputs, costs, and how they move during training."""

from __future__ import annotations

from indoubt.schema.columns import (
    CELL_COLUMNS,
    CI_METHOD,
    CI_NOTE,
    KIND_COLUMNS,
    ORIGIN_COLUMNS,
    PROTOCOL_COLUMNS,
    UPDATES,
    Table,
    count,
    ends,
    flag,
    later,
    number,
    p,
    share,
    text,
)

_CLASS = text(
    "a rule that seeds follow; `other`: fits T, follows none; `unfit`: does not fit T; `diverged`: no outputs", "class"
)
_KIND = text(
    "what that is: `candidate`; `rule` or `answer`, which only classify, have no code length and take no part in "
    "tests; `found`, a rule that was found in what learners do; empty for the rest"
)
_FIT = count("seeds that decode T's inputs to T's outputs", "fit T")
_CI = ("ci_low", "ci_high")
_GIVEN_FIT = ("given_fit_ci_low", "given_fit_ci_high")
_CANDIDATE = text("the rule that labels the hold-out")
_COMPLETE = count("seeds whose code is complete", "seeds")

_fpa = share("`n` / `n_seeds`, a share of all seeds; the classes of a cell add up to 1", "FPA", _CI)
_fpa_given_fit = share(
    "`n` / `n_fit`; not defined for `unfit` and `diverged`", "FPA of the seeds that fit T", _GIVEN_FIT
)
_responses = share(
    "`n` / `n_responses`: outputs that are the rule's, of all outputs for inputs of H; for `none`, those that no rule "
    "and no answer gives",
    "share of responses",
    _CI,
    "ci_note",
)
_responses_given_fit = share("the same over the seeds that fit T", "share where T is fitted", _GIVEN_FIT)
_bits_mean = number("over the complete seeds", "bits", "mean", _CI, "ci_note")
_bits_at_least = number(
    "mean over seeds of their codes, or of what is known of them: the mean of the codes is at least so long",
    "bits",
    "mean, at least",
    ("at_least_ci_low", "at_least_ci_high"),
)
_BCA = "BCa bootstrap interval of the mean, 95 %, 9,999 resamples (Efron 1987, by scipy)"
_WILSON = "Wilson's score interval, 95 % (1927, by scipy; 4 of 4 seeds: [.51, 1], 20 of 20: [.84, 1])"
_OUTSIDE = later(
    number(
        "of language models that are read in context: what it costs beside to say symbols of the task at all, and not "
        "another token of the model's",
        "bits",
        "outside",
    )
)
_OUTSIDE_SHARE = later(
    share(
        "of language models that are read in context: the share of decoded places at which they would have said "
        "something else than a symbol of the task, in the mean",
        "outside",
    )
)
_share = share("`n` / `n_seeds`", "", _CI)

MEASURED = {
    "blocks": Table(
        "a block of H that was sent",
        {
            "task": CELL_COLUMNS["task"],
            "size": CELL_COLUMNS["size"],
            "dataset": text("the candidate that labels H"),
            "learner": CELL_COLUMNS["learner"],
            "seed": count("the seed"),
            "block": count("which block was scored: 1, 2, ..."),
            "n_examples": count("its examples"),
            "bits": number("its code length, summed over its examples: nats / ln 2", "bits"),
            "training_id": text("the training that scored it; equal where several rows share one"),
            **ORIGIN_COLUMNS,
            "seconds": number("time of that training", "s"),
            "status": text("`ok` or `diverged`"),
            **PROTOCOL_COLUMNS,
            "nats": number("the code length that was measured", "nats"),
            "updates": UPDATES,
            "host": text("the machine"),
            "outside_bits": _OUTSIDE,
            **KIND_COLUMNS,
        },
    ),
    "seed_classes": Table(
        "a seed that was decoded",
        {
            **CELL_COLUMNS,
            "seed": count("the seed"),
            "class": _CLASS,
            "fits": flag("whether it decodes T's inputs to T's outputs"),
            "training_id": text("the training on T"),
            "updates": UPDATES,
            **PROTOCOL_COLUMNS,
            **ORIGIN_COLUMNS,
            "outside_share": _OUTSIDE_SHARE,
        },
    ),
    "seed_code_lengths": Table(
        "a seed and a candidate",
        {
            **CELL_COLUMNS,
            "candidate": _CANDIDATE,
            "seed": count("the seed"),
            "state": text(
                "`complete`, `at least` (only what was asked for: the first block, or as far as a race went), "
                "`incomplete` (blocks are missing) or `diverged` (one of its trainings did)"
            ),
            "bits": number("the code length: the sum over blocks; only a complete code has one", "bits"),
            "nats": number("the same", "nats"),
            "n_examples": count("examples that were sent"),
            "updates": UPDATES,
            **PROTOCOL_COLUMNS,
            **ORIGIN_COLUMNS,
            "outside_bits": _OUTSIDE,
            "bits_at_least": number("what the code takes at least: the sum over the blocks that were scored", "bits"),
            **KIND_COLUMNS,
        },
    ),
    "fpa": Table(
        "a class of a cell",
        {
            **CELL_COLUMNS,
            "class": _CLASS,
            "n_seeds": count("all seeds", "of"),
            "n_fit": _FIT,
            "n": count("seeds of the class", "seeds"),
            "fpa": _fpa,
            **ends(*_CI, _WILSON, _fpa),
            "fpa_given_fit": _fpa_given_fit,
            **ends(*_GIVEN_FIT, "its own Wilson interval", _fpa_given_fit),
            "n_holdout": count("inputs of H"),
            "n_holdout_ambiguous": count(
                "those of H that cannot tell all candidates apart by themselves (hierar-or-linear: 8 of 16, those "
                "whose centre is also their wrapper)"
            ),
            "n_holdout_separating": count(
                "the inputs of H on which two candidates differ, of the two that differ on the fewest (odd-or-place: 8 "
                "of 30, though with two letters no single input tells its six candidates apart)"
            ),
            "ci_method": CI_METHOD,
            "updates": UPDATES,
            **PROTOCOL_COLUMNS,
            **ORIGIN_COLUMNS,
            "kind": _KIND,
            "note": text("of a rule that was found: on which of these seeds"),
            "outside_share": _OUTSIDE_SHARE,
        },
        "FPA",
    ),
    "responses": Table(
        "a candidate, further rule or answer of a cell, and one for `none`",
        {
            **CELL_COLUMNS,
            "rule": text("the rule or answer; `none`: given by no rule and no answer"),
            "kind": _KIND,
            "n_seeds": count("seeds with outputs", "seeds"),
            "n_diverged": count("seeds without any, which take no part"),
            "n_holdout": count("inputs of H", "inputs"),
            "n_responses": count("`n_seeds` times `n_holdout`"),
            "n": count("outputs that are the rule's"),
            "share": _responses,
            **ends(*_CI, "BCa bootstrap interval over seeds, 95 %: one seed's outputs hang together", _responses),
            "ci_note": CI_NOTE,
            "n_fit": _FIT,
            "share_given_fit": _responses_given_fit,
            **ends(*_GIVEN_FIT, "its own bootstrap interval", _responses_given_fit),
            "ci_method": CI_METHOD,
            "updates": UPDATES,
            **PROTOCOL_COLUMNS,
            **ORIGIN_COLUMNS,
        },
    ),
    "code_length": Table(
        "a candidate of a cell",
        {
            **CELL_COLUMNS,
            "candidate": _CANDIDATE,
            "n_seeds": _COMPLETE,
            "n_diverged": count("seeds that take no part: a training diverged"),
            "n_incomplete": count("seeds that take no part: blocks are missing"),
            "bits_mean": _bits_mean,
            "nats_mean": number("over the complete seeds", "nats", "mean"),
            "bits_median": number("over the complete seeds", "bits", "median"),
            **ends(*_CI, _BCA, _bits_mean),
            "ci_note": CI_NOTE,
            "ci_method": CI_METHOD,
            "bits_sd": number("standard deviation over seeds", "bits"),
            "bits_min": number("the shortest of the seeds' codes", "bits"),
            "bits_max": number("the longest", "bits"),
            "bits_per_example": number("`bits_mean` / `n_examples`", "bits per example", "mean"),
            "n_examples": count("inputs of H that are sent (all but on SCAN)"),
            "uniform_bits": number(
                "the uniform code: log2 of the dictionary for each symbol and `</s>`; the dictionary is fairseq's, "
                "filled up to a multiple of 8 symbols, so 3 bits a symbol for the tasks with one output symbol. "
                "An untrained learner costs about this. Of a language model that is read in context: log2 of the "
                "task's own symbols and the end",
                "bits",
                "uniform code",
            ),
            "of_uniform": number("`bits_mean` / `uniform_bits`"),
            "surplus_bits": number("the mean less the shortest mean of the cell's rules", "bits", "surplus"),
            "dip_p": p(
                "Hartigan's dip test (1985, by diptest) on the logarithms of the seeds' code lengths, of ten seeds and "
                "more"
            ),
            "bimodal": text(
                "`True` where it is below .05: seeds fall into two groups or more and the mean describes none of them"
            ),
            "updates": UPDATES,
            **PROTOCOL_COLUMNS,
            **ORIGIN_COLUMNS,
            "outside_bits": _OUTSIDE,
            "n_at_least": count("seeds whose code is known from below alone; with any, the rule has no mean"),
            "bits_at_least": _bits_at_least,
            **ends("at_least_ci_low", "at_least_ci_high", _BCA, _bits_at_least),
            **KIND_COLUMNS,
        },
        "code lengths",
    ),
    "outputs": Table(
        "an output that some seeds of a class give for an input",
        {
            **CELL_COLUMNS,
            "src": text("the input", "input"),
            "in_training": flag("whether it is one of T's"),
            "pred": text("the output, which may be empty", "output"),
            "class": _CLASS,
            "agrees": text("the rules and answers that give this output", "as rule"),
            "n_seeds": count("seeds of the class that give it"),
            "n_class": count("seeds of the class"),
            "seeds": text("which seeds: `1-4 7`"),
        },
    ),
    "costs": Table(
        "a cell and a machine",
        {
            **CELL_COLUMNS,
            **ORIGIN_COLUMNS,
            "host": text("the machine"),
            "n_trainings": count("trainings; one that several rows share is counted once", "trainings"),
            "n_diverged": count("those that diverged", "diverged"),
            "seconds": number("time of all trainings, summed as if one ran after another", "s", "time"),
            "updates": count("updates of all trainings"),
            **PROTOCOL_COLUMNS,
            "milestone_seconds": number("the part of it that scoring and decoding at milestones took", "s"),
        },
    ),
    "trajectories": Table(
        "a milestone and a class of a cell",
        {
            **CELL_COLUMNS,
            "update": count("the milestone; the last is the training's end"),
            "class": _CLASS,
            "n": count("seeds of the class then", "seeds"),
            "n_seeds": count("all seeds", "of"),
            "share": _share,
            **ends(*_CI, "Wilson's score interval, 95 %", _share),
            "n_fit": count("seeds that fit T then", "fit T"),
            "ci_method": CI_METHOD,
            **PROTOCOL_COLUMNS,
            **ORIGIN_COLUMNS,
        },
    ),
    "seed_paths": Table(
        "a seed that was looked at during training",
        {
            **CELL_COLUMNS,
            "seed": count("the seed"),
            "first_fit": count("the first milestone at which it fits T; empty: never", "fits first at"),
            "n_switches": count("how often its class changes after it first fits", "switches"),
            "final": text("its class at the end"),
            "path": text("`unfit@100 add@1000 add@3000`", "class at each milestone"),
        },
    ),
    "code_trajectories": Table(
        "a milestone and a candidate of a cell",
        {
            **CELL_COLUMNS,
            "candidate": _CANDIDATE,
            "update": count("the milestone: each block is sent after so many updates; the last is the training's end"),
            "n_seeds": _COMPLETE,
            "n_diverged": count("seeds that take no part: a training diverged"),
            "n_incomplete": count("seeds that take no part: blocks are missing"),
            "bits_mean": _bits_mean,
            "bits_median": number("over the complete seeds", "bits", "median"),
            **ends(*_CI, _BCA, _bits_mean),
            "ci_note": CI_NOTE,
            "ci_method": CI_METHOD,
            "bits_per_example": number("`bits_mean` / the number of examples that are sent", "bits per example"),
            **PROTOCOL_COLUMNS,
            **ORIGIN_COLUMNS,
        },
    ),
}
