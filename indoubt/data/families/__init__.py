"""What several tasks have in common: strings, words and rules from which files of `tasks/` are made.

Light, as task files are: nothing here imports more than `indoubt.data.task`.
"""
