"""What the measures allow to say: preferences, verdicts, agreement, claims, steps and sweeps."""

from __future__ import annotations

from indoubt.schema.columns import (
    CELL_COLUMNS,
    CI_METHOD,
    CI_NOTE,
    KIND_COLUMNS,
    ORIGIN_COLUMNS,
    PROTOCOL_COLUMNS,
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

_CI = ("ci_low", "ci_high")
_start_share = share("`n` / `n_seeds`", "", _CI)
_HOLM = "corrected by Holm (1979) over the pairs of the task that were run"
_BH = "corrected by Benjamini and Hochberg (1995) over all tasks"
_LEVEL = (
    "`tested`: the corrected test decides; `open`: it could have and does not; `descriptive`: too few seeds to test; "
    "`not measured`; of a pair also `not representable`: the learner has no weights for one of its rules"
)
_diff_mean = number(
    "mean of a - b over seeds, each seed's codes compared; negative: a is shorter", "bits", "mean a - b", _CI, "ci_note"
)
_fpa_diff = number(
    "(`fpa_n_a` - `fpa_n_b`) / `fpa_n_seeds`", head="difference of shares", ends=("fpa_ci_low", "fpa_ci_high")
)
_fpa_share = share("their share of all seeds", "share", ("fpa_ci_low", "fpa_ci_high"))
_agreement = share("`n_agree` / `n_compared`", "share", ("share_ci_low", "share_ci_high"))
_rho = number(
    "Spearman's rank correlation of the differences in FPA and in code length over all pairs, each both ways round",
    head="rank correlation",
    ends=("rho_ci_low", "rho_ci_high"),
)
_share = share("`n` / `n_seeds`", "share", _CI)
_fit = share("`n_fit` / `n_seeds`", "fit T", ("fit_ci_low", "fit_ci_high"))
_WILSON = "Wilson's score interval, 95 %"

TESTED = {
    "preferences": Table(
        "a pair a, b of candidates of a cell",
        {
            **CELL_COLUMNS,
            "a": text("the one rule"),
            "b": text("the other"),
            "n_seeds": count("seeds whose two codes were compared: both complete, or raced and not open", "seeds"),
            "n_a_shorter": count("seeds in which the code of a is the shorter one"),
            "n_b_shorter": count("seeds in which that of b is"),
            "diff_mean": _diff_mean,
            "diff_median": number("median of a - b", "bits", "median a - b"),
            **ends(*_CI, "BCa bootstrap interval of the mean, 95 %", _diff_mean),
            "ci_note": CI_NOTE,
            "p_signflip": p(
                "sign-flip permutation of the mean (Pitman 1937), two-sided, not corrected; see `test`", "p"
            ),
            "p_signflip_holm": p(f"the same, {_HOLM}", "p, Holm"),
            "p_signflip_bh": p(f"the same, {_BH}", "p, BH"),
            "p_wilcoxon": p("Wilcoxon's signed ranks (1945), not corrected"),
            "p_wilcoxon_holm": p(f"the same, {_HOLM}"),
            "p_t": p("paired t, not corrected"),
            "p_t_holm": p(f"the same, {_HOLM}"),
            "rank_biserial": number("effect: rank-biserial correlation of the differences, -1 to 1", "", "effect r"),
            "dz": number("effect: mean / standard deviation of the differences"),
            "n_family": count("pairs that are corrected together: all of the task with code lengths"),
            "seeds_to_test": count("the fewest seeds with which the corrected test could reject"),
            "seeds_to_settle": count(
                "seeds at which a paired t-test at .05 / `n_family` would find an effect like this with power .8; 0: "
                "none is seen, or it is decided"
            ),
            "preferred": text(
                "the rule that is preferred: the interval excludes 0 and the Holm-corrected p is below .05; else empty"
            ),
            "level": text(_LEVEL),
            "verdict": text("in words"),
            "fpa_n_seeds": count("seeds that were decoded"),
            "fpa_n_a": count("seeds that follow a"),
            "fpa_n_b": count("seeds that follow b"),
            "fpa_diff": _fpa_diff,
            **ends("fpa_ci_low", "fpa_ci_high", "BCa bootstrap interval of `fpa_diff`, 95 %", _fpa_diff),
            "p_mcnemar": p("exact McNemar (1947), of the seeds that follow a and b", "p"),
            "p_mcnemar_holm": p(f"the same, {_HOLM}", "p, Holm"),
            "p_mcnemar_bh": p(f"the same, {_BH}"),
            "fpa_n_family": count("pairs that are corrected together: all of the task with FPA"),
            "fpa_preferred": text("the rule that is preferred by FPA; else empty", "preferred"),
            "fpa_level": text("`level`, by FPA", "level"),
            **PROTOCOL_COLUMNS,
            **ORIGIN_COLUMNS,
            "e_value": number(
                "of cells whose seeds came in steps: the evidence of the seeds with the shorter code, adjusted over "
                "all pairs of the task's cells in steps; from 20 on it decides, and the p-values do not"
            ),
            "fpa_e_value": number("the same of the seeds that follow a or b"),
            **KIND_COLUMNS,
            "test": text(
                "of what `p_signflip` is: `sign flips` of the mean difference, or, where codes are known from below "
                "alone, `signs`: the exact sign test on the seeds of which it is sure whose code is shorter"
            ),
            "n_open": count("of raced codes: seeds that a third rule won, so that these two were not compared"),
            "diff_at_least": number(
                "of raced codes, where all seeds agree: the mean of a - b is at least so far from 0", "bits"
            ),
        },
        "preferences",
    ),
    "verdicts": Table(
        "a cell: the answer",
        {
            **CELL_COLUMNS,
            "rule": text("the rule preferred to every other, by code length or FPA as `by` says"),
            "level": text(f"{_LEVEL}; `one candidate`: nothing to compare with"),
            "verdict": text("in words; where most seeds follow a rule that has no code, it says so too"),
            "code_n": count("seeds with all codes"),
            "code_rule": text("the rule that is preferred by code length; else empty"),
            "code_level": text("`level`, by code length"),
            "code_verdict": text("the verdict by code length", "by code length"),
            "code_lead": text("with too few seeds to test: the rule that has the shortest code in most seeds"),
            "code_count": count("in how many seeds"),
            "code_needed": count("the seeds that a test takes; 0 where there are enough"),
            "fpa_n": count("seeds that were decoded"),
            "fpa_n_fit": count("seeds that fit T"),
            "fpa_class": text("the class of most seeds; empty for a tie"),
            "fpa_count": count("seeds of that class"),
            "fpa_share": _fpa_share,
            **ends("fpa_ci_low", "fpa_ci_high", _WILSON, _fpa_share),
            "fpa_level": text("`level`, by FPA"),
            "fpa_verdict": text("the verdict by FPA", "by FPA"),
            "agree": text(
                "whether the rule of the shortest mean code is the class of most seeds; empty where a measure or a "
                "rule is missing",
                "same rule first",
            ),
            **PROTOCOL_COLUMNS,
            **KIND_COLUMNS,
            "by": text(
                "the measure that `rule` and `level` are by: `code` (code length), or `fpa` where only that was "
                "measured, or where it decides and of the code there is the first block alone"
            ),
            "cannot_tell": later(
                text("what the learner cannot tell apart whatever its weights are: `order`, `length`", "cannot tell")
            ),
        },
    ),
    "agreement": Table(
        "a task, and one for all",
        {
            "task": CELL_COLUMNS["task"],
            "n_cells": count("cells"),
            "n_compared": count(
                "cells in which the class of most seeds is a candidate (not `other`, `unfit` or a rule without a code)",
                "most seeds follow a candidate",
            ),
            "n_agree": count("of these, cells whose shortest mean code is that candidate's", "same rule first"),
            "share": _agreement,
            **ends("share_ci_low", "share_ci_high", _WILSON, _agreement),
            "n_pairs": count("pairs of candidates with both measures", "pairs"),
            "rho": _rho,
            **ends("rho_ci_low", "rho_ci_high", "percentile bootstrap over cells, 95 %", _rho),
            "rho_note": text("how it was made, or why there is none"),
            "n_tested_code_only": count("pairs that only code length decides", "by code length alone"),
            "n_tested_fpa_only": count("pairs that only FPA decides", "by FPA alone"),
            "n_tested_both": count("pairs that both decide", "by both"),
            "p_sensitivity": p("exact McNemar's p of the pairs decided by one measure alone", "McNemar p"),
            "n_both": count("cells with both measures", "cells with both"),
            "n_agree_responses": count(
                "of these, cells whose shortest code is the candidate's of most single responses", "most responses"
            ),
            "n_fpa_differs": count("pairs of which more seeds follow the one than the other", "FPA differs"),
            "n_same_sign": count("of these, pairs whose shorter code is the one that more seeds follow", "same sign"),
        },
    ),
    "claims": Table(
        "a published claim",
        {
            "id": text("its name"),
            "statement": text("what it says", "claim"),
            "source": text("who says so"),
            "state": text("`supported`, `contradicted`, `too few seeds` or `undecided`"),
            "why": text("by which numbers"),
            "n_cells": count("cells that it speaks of"),
            "n_run": count("those that were measured as it wants"),
            "n_supporting": count("cells that support it"),
            "n_contradicting": count("cells that contradict it"),
            "seeds": text("seeds of a cell, from the fewest to the most"),
        },
        "published claims",
    ),
    "stops": Table(
        "a cell whose seeds are trained in steps",
        {
            **CELL_COLUMNS,
            "n_seeds": count("seeds that it took"),
            "at_most": count("the most that it may take"),
            "n_looks": count("looks until it stopped"),
            "decided": flag("whether it is sure"),
            "rule": text("the rule that is preferred, or that leads"),
            "measure": text("what was looked at: `code_length` or `fpa`"),
            "e_value": number("the least evidence that it is preferred to another rule, adjusted over the pairs"),
            "needed": number("the evidence from which on a cell is decided"),
            "n_pairs": count("pairs of the task's cells"),
            "why": text("in words"),
        },
    ),
    "sweeps": Table(
        "a learner of a sweep, on a task and size; its swept values stand as columns behind these",
        {
            **CELL_COLUMNS,
            "sweep": text("the sweep's name"),
            "rule": text("the rule that most seeds of the whole sweep follow at this size"),
            "n": count("the learner's seeds that follow it", "seeds"),
            "n_seeds": count("the learner's seeds", "of"),
            "share": _share,
            **ends(*_CI, _WILSON, _share),
            "n_fit": count("seeds that fit T"),
            "fit": _fit,
            **ends("fit_ci_low", "fit_ci_high", _WILSON, _fit),
            "leads_here": text("the rule of most of the learner's own seeds"),
            "ci_method": CI_METHOD,
        },
    ),
    "sweep_tests": Table(
        "a swept argument of a sweep, on a task and size",
        {
            "task": CELL_COLUMNS["task"],
            "size": CELL_COLUMNS["size"],
            "sweep": text("the sweep's name"),
            "argument": text("the argument"),
            "rule": text("the rule that most seeds of the whole sweep follow"),
            "n_seeds": count("seeds of the whole sweep"),
            "p": p("permutation test: do classes of seeds hang on the argument, within settings of the others?"),
            "p_holm": p("the same, corrected by Holm over all tests of the task"),
            "n_tests": count("tests of the task"),
            "method": text("how p was made"),
            "said": text("`0.2 → 0.5: mem 4 of 24 → 19 of 24`"),
        },
    ),
    "starts": Table(
        "a learner with a start on a task and size, or one that such a learner is without it",
        {
            **CELL_COLUMNS,
            "base": text("the learner that is the same without the start; empty where it is not measured"),
            "start": text(
                "what it has learned before: `hierar-or-linear 4 linear`, `T itself` (the task's own), `none`"
            ),
            "class": text("what most seeds do: a rule, `other`, `unfit` or `diverged`"),
            "n": count("seeds that do"),
            "n_seeds": count("all seeds"),
            "share": _start_share,
            **ends("ci_low", "ci_high", "Wilson's score interval, 95 %", _start_share),
            "n_learned": count("seeds that have learned the start: they give its outputs for its inputs"),
            "n_not_learned": count("seeds that have not"),
            "n_start_diverged": count("seeds that diverged in it, and so have nothing to go on from"),
            "share_learned": share("the class's share among the seeds that have learned the start"),
            "n_paired": count("seeds that are measured without the start, too"),
            "n_moved": count("those of them that are of another class with it"),
            "p": p("exchange test over paired seeds: do they fall into other classes than without the start?"),
            "p_holm": p("the same, corrected by Holm over all learners with a start of the task"),
            "n_tests": count("tests of the task"),
            "differs": text("whether the corrected p is below .05; empty where nothing was tested"),
            "symbols": count("the joint vocabulary of targets, filling included: the uniform code is over it"),
            **PROTOCOL_COLUMNS,
            **ORIGIN_COLUMNS,
        },
    ),
}
