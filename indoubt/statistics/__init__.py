"""What the numbers allow to say: measures go in; preferences, verdicts and decided claims come out.

Imports measures.
"""
