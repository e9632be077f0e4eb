"""Engine `modules`: any PyTorch module that maps source and prefix, or one row of tokens, to logits.

`loader` finds a learner's class and gives a module for a seed, `hugging_face` makes modules of architectures; `inputs`
says what they are given, `overrides` reaches into their dropout, attention and recurrent layers. `stacked_models` runs
many seeds as one, `one_by_one` a single one; `lockstep` trains, `evaluation` scores and decodes, `engine` plans.
"""
