"""The two measures of inductive bias, FPA and code length, and the intervals around them."""
