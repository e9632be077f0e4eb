"""The layers of fused learners, each with its forward and its backward pass side by side."""
