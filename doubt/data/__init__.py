"""Tasks and their datasets: a task file goes in; text, fairseq's binary form and examples as ids come out.

Imports nothing of doubt but the root's modules. Of its own modules `task`, `text`, `random_candidate` and `distinguish`
are light; the others import fairseq.
"""
