"""A job goes in, its trainings' rows come out: which trainings a measure needs, which are done, where they run."""
