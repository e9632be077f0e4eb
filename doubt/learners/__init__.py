"""Learners: a definition of the configuration goes in, every argument with its value comes out.

`definitions` asks fairseq's own parser and tries the learner out, `grids` reads the released code's grid files and is
light. Imports engines, data and the root's modules.
"""
