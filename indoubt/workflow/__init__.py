"""What is to be done and doing it: a configuration goes in, rows of results in a ledger come out.

`config`, `cells` and `plan` turn a configuration into jobs (the Snakefile imports them, so they are light); `jobs` does
one; `status`, `estimate` and `progress` say where a run stands. Imports learners, engines, data, the root's modules.
"""
