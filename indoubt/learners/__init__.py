"""Learners: a definition of the configuration goes in, every argument with its value comes out.

`resolution` takes every kind of definition: `fairseq_definitions` asks fairseq's own parser, `module_definitions` finds
a class or, with `hugging_face_definitions`, an architecture. `try_out` refuses what would give wrong numbers: `trial`
runs a module on a made-up batch, `plain_comparison` holds it to a plain PyTorch loop, `shared_state` and `blindness`
find what it shares and what it cannot tell apart. `sweeps` is light. Imports engines, data and the root's modules.
"""
