"""Where a run stands: a plan and a ledger go in; what is done, why not, how long, and an archive come out."""
