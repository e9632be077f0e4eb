"""Engine `modules`: any PyTorch module that maps source and prefix, or one row of tokens, to logits.

`loading` finds a learner's class, `hugging_face` makes modules of architectures, `building` gives a module for a seed;
`inputs` says what it is given; `sites`, `masks` and `recurrent` reach into its dropout and its recurrent layers;
`models` runs many seeds as one; `lockstep` trains, `evaluation` and `decoding` ask; `engine` plans and goes on.
"""
