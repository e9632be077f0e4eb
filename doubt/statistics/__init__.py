"""From measures to findings: which rule a learner prefers, how sure that is, and what was claimed before."""
