"""All tables of a run: rows of results go in; CSV, Markdown and LaTeX come out. Imports measures and statistics."""

from indoubt.schema import FOUND, RUN, files

#: The files that a run's tables are written to, and those of what the seeds do that follow no rule: these are made by a
#: rule of their own, which `found: false` switches off.
FILES = (*files(RUN), "paper_table.md", "paper_table.tex")
FOUND_FILES = tuple(files(FOUND))
