"""What executes trainings: `fairseq`, the reference, one after another."""
