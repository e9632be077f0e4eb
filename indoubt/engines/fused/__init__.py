"""Engine `fused`: many trainings in lockstep, with a leading model axis, proven equal to `reference`.

`engine` plans locksteps and goes through them; `learners` are the architectures, put together from `layers`, which
compute on `arrays` (weights, batches, masks, gradients, and the kernels in C that serve them).
"""
