"""Engine `fused`: many trainings in lockstep, with a leading model axis, proven equal to engine `fairseq`.

`engine` plans locksteps and goes through them; `architectures` names the learners, which are put
together from layers. These compute on weights, batches and masks; `kernels` calls the C code in `native/`.
"""
