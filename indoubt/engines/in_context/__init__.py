"""Engine `in_context`: a frozen language model reads T in a prompt; nothing is trained.

`prompts` writes examples as tokens, `readings` gathers what is asked behind one prompt, `reader` says what a model must
be able to do and `model` does it with Hugging Face's, `evaluation` asks it for scores and outputs, `engine` goes
through all of it. `folder` says which model a folder holds.
"""
