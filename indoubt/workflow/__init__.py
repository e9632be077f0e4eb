"""What is to be done and doing it: a configuration goes in, rows of results in a ledger come out.

`planning` turns a configuration into cells and jobs (the Snakefile imports it, so it is light), `running` does a job,
`standing` says where a run stands. Imports learners, engines, data and the root's modules.
"""
