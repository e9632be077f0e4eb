"""All tables of a run: rows of results go in; CSV, Markdown and LaTeX come out. Imports measures and statistics."""

#: The files that a run's tables are written to; the rule that makes them, and what writes them, share this list.
FILES = (
    "blocks.csv",
    "seed_classes.csv",
    "seed_code_lengths.csv",
    "fpa.csv",
    "responses.csv",
    "code_length.csv",
    "preferences.csv",
    "verdicts.csv",
    "agreement.csv",
    "claims.csv",
    "outputs.csv",
    "costs.csv",
    "trajectories.csv",
    "seed_paths.csv",
    "code_trajectories.csv",
    "stops.csv",
    "sweeps.csv",
    "sweep_tests.csv",
    "paper_table.md",
    "paper_table.tex",
)
#: What the seeds do that follow no rule: made by a rule of its own, which `found: false` switches off.
FOUND_FILES = ("found_rules.csv", "signatures.csv")
