"""What the seeds do that follow none of their task's rules (docs/found-rules.md)."""

from __future__ import annotations

from indoubt.schema.columns import (
    CELL_COLUMNS,
    CI_NOTE,
    ORIGIN_COLUMNS,
    PROTOCOL_COLUMNS,
    Table,
    count,
    ends,
    number,
    share,
    text,
)

_CI = ("ci_low", "ci_high")
_BCA = "BCa bootstrap interval over seeds, 95 %"
_share = share("the share of answers that what is said gives, mean over seeds", "", _CI, "ci_note")
_kappa = number("(share - chance) / (1 - chance) of the best single rule", ends=("kappa_ci_low", "kappa_ci_high"))
_throughout = share(
    "the share of seeds all of whose answers are of what is said", "", ("throughout_ci_low", "throughout_ci_high")
)
_given = share("its share on the other half", "", ("given_ci_low", "given_ci_high"))
_deciding = share("the best single rule's share on such inputs", "", ("deciding_ci_low", "deciding_ci_high"))
_consensus = share(
    "the share of one half's answers that most of the other half give", "", ("consensus_ci_low", "consensus_ci_high")
)
_fleiss = number(
    "agreement of seeds beyond chance (Fleiss 1971); empty where all outputs are one",
    ends=("kappa_ci_low", "kappa_ci_high"),
)
_below = number(
    "of lengths: symbols of output for one more of input, from T to the shortest input of H; median over seeds",
    ends=("slope_below_ci_low", "slope_below_ci_high"),
)
_above = number("the same to the longest input of H", ends=("slope_above_ci_low", "slope_above_ci_high"))
_MEDIAN = "interval of the median, between two of the seeds' values (binomial)"

FOUND = {
    "found_rules": Table(
        "a cell with seeds that fit T and follow no given rule; of a split or a mixture each of its rules",
        {
            **CELL_COLUMNS,
            "form": text(
                "what may be said: `rule`, `split`, `given`, `mixture`, `about`, `kind`, `none`, `too few seeds`"
            ),
            "part": count("which rule of a split or a mixture: 1, 2, ..."),
            "words": text("the rule in words"),
            "short": text("the rule in at most 16 characters"),
            "python": text("the rule as an expression in `source` (its symbols) or `n` (its length)"),
            "bits": count("its length in the language, in bits"),
            "fits_t": text("whether it gives T's outputs for T's inputs, too"),
            "equals": text(
                "rules that say the same of all of H: at most 4 bits longer ones, and those that have a name"
            ),
            "kind": text("`found`, or the name of the rule that says the same of H (`NAME of TASK`: another task's)"),
            "n_seeds": count("seeds that follow no given rule"),
            "n_part": count(
                "of a split those that are nearest to this rule, of a mixture those that give it most often"
            ),
            "share": _share,
            **ends(*_CI, _BCA, _share),
            "ci_note": CI_NOTE,
            "kappa": _kappa,
            **ends("kappa_ci_low", "kappa_ci_high", _BCA, _kappa),
            "throughout": _throughout,
            **ends("throughout_ci_low", "throughout_ci_high", "Wilson's score interval, 95 %", _throughout),
            "share_inputs": share(
                "the best single rule on inputs that it was not found on: sixths of H, or each input by itself where "
                "there are fewer"
            ),
            "within_one": share("of lengths: the share of answers within one symbol of the best single rule's"),
            "share_all": share("its share of the answers of all seeds that fit T, those with it that it was found on"),
            "given": text("the task's own rule that gives most answers, picked on one half"),
            "given_share": _given,
            **ends("given_ci_low", "given_ci_high", _BCA, _given),
            "n_deciding": count("inputs on which the best single rule and `given` differ, by all seeds"),
            "share_deciding": _deciding,
            **ends("deciding_ci_low", "deciding_ci_high", _BCA, _deciding),
            "given_deciding": share("the given rule's share on such inputs"),
            "consensus": share(
                "the share of answers that are what most seeds of the other half answer: no one rule can have more, "
                "except by chance"
            ),
            "chance": share(
                "the share that the best single rule (of a mixture: its rules together) would have if outputs were "
                "shuffled over inputs"
            ),
            "saved_bits": number(
                "what is saved by saying it, over outputs that have nothing to do with inputs", "bits"
            ),
            "saved_over_given": number("the same, over the best given rule", "bits"),
            "stable": text("whether both halves found rules that say the same of H"),
            "n_programs": count("how many rules, or sides of one, were compared"),
            "limit_bits": count("of up to how many bits"),
            **PROTOCOL_COLUMNS,
            **ORIGIN_COLUMNS,
            "note": text("why nothing was searched for, where nothing was"),
            "best_words": text("the best single rule, whatever the form"),
            "best_share": share("its share"),
        },
    ),
    "signatures": Table(
        "a cell, over all its seeds that fit T and at most 128 inputs of H",
        {
            **CELL_COLUMNS,
            "n_fit": count("seeds that fit T"),
            "n_inputs": count("inputs of H"),
            "consensus": _consensus,
            **ends("consensus_ci_low", "consensus_ci_high", _BCA, _consensus),
            "fleiss_kappa": _fleiss,
            **ends("kappa_ci_low", "kappa_ci_high", "jackknife interval over seeds, 95 %", _fleiss),
            "entropy_bits": number("the entropy of an input's outputs over seeds, mean over inputs", "bits"),
            "n_distinct": count("how many different things seeds do: vectors of outputs"),
            "of_t": share("of outputs, those that are one of T's"),
            "copies": share("those that are the input"),
            "same_length": share("those as long as it"),
            "same_symbols": share("those of its symbols in some order"),
            "cut_off": share("those of 200 symbols or more, where decoding stops"),
            "slope_below": _below,
            **ends("slope_below_ci_low", "slope_below_ci_high", _MEDIAN, _below),
            "slope_above": _above,
            **ends("slope_above_ci_low", "slope_above_ci_high", _MEDIAN, _above),
            "within_one_of": text("of lengths: the given rule with most answers"),
            "within_one": share("the share of answers within one symbol of its"),
            "ci_note": CI_NOTE,
            **PROTOCOL_COLUMNS,
            **ORIGIN_COLUMNS,
        },
    ),
}
