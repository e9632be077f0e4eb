"""doubt: what do sequence-to-sequence learners do when in doubt?

The library behind the workflow. Modules that the Snakefile imports (`config`, `tasks`, `plan`, `code_hash`) use neither
torch nor fairseq nor pandas, so that parsing the workflow stays fast.
"""

__version__ = "0.1.0"
