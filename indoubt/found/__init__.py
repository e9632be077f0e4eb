"""Rules found, not only rules given: what the seeds do that follow none of a task's rules.

Predictions go in; `found_rules.csv` (the shortest rules of a small language that tell what those seeds output, with the
share of answers of other seeds that they give) and `signatures.csv` (how far seeds agree with each other) come out.
Imports data and measures; docs/found-rules.md says what is searched and what a share means.
"""
