"""Pictures: the tables of a run go in, figures per task come out. Imports tables."""

#: Names of each task's figures.
NAMES = ("rule_shares", "code_lengths", "code_curves")
