"""What executes trainings: trainings go in (`indoubt.training`), a result of each comes out.

`loop` says how a seed is trained, `backend` what an engine must be able to do. `fairseq` trains one after another as
fairseq 0.9.0 does, `fused` many at once and equal to it, `modules` any PyTorch module, many at once where `vmap` can;
`registry` gives the engine of a name. Imports data and the root's modules; knows nothing of jobs, ledgers, Snakemake.
"""
