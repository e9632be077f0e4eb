"""The report: one page, made from the tables and figures of a results folder, that opens from disk."""
