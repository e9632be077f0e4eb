"""From Python, in a notebook: a task and a learner go in, what was measured comes out. Imports all the other packages.

`measuring` does it with the workflow's own code, `measurement` holds the result, `classes` gives a learner's class that
was defined in a notebook an identity. `from indoubt import measure` is the way in.
"""
