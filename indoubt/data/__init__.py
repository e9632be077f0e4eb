"""Tasks and their datasets: a task file goes in; text, fairseq's binary form and examples as ids come out.

Imports nothing of doubt but the root's modules. Of its own modules `binary` and `compat`
import fairseq; the others are light. `families` is what several built-in tasks have in common.
"""
