"""From outputs to numbers: rows of results go in; classes, FPA and code lengths with their intervals come out.

Imports data and the root's modules; trains nothing and draws nothing.
"""
