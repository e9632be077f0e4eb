"""Engine `fused`: the built-in learners with a leading model axis, many independent trainings in lockstep."""
