"""From Python, in a notebook: a task and a learner go in, what was measured comes out. Imports all the other packages.

`measure` does it with the workflow's own code, `arguments` checks what it is given, `measurement` holds the result.
`from indoubt import measure` is the way in.
"""
