"""A configuration goes in; cells, jobs, their cost and the hashes that make them stale come out. Light: no torch."""
