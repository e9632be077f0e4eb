"""Learners: a definition of the configuration goes in, every argument with its value comes out.

`resolution` takes every kind of definition: `definitions` asks fairseq's own parser, `modules` finds a class or, with
`hugging_face`, an architecture, `optimisation` its Adam; `try_out` refuses what would give wrong numbers, on the batch
that `made_up` has. `grids` reads the released code's grid files, `tried` holds what was found out; these two are light.
Imports engines, data and the root's modules.
"""
