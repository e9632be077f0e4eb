"""What fused learners compute on: batches, weights, masks and gradients with a leading model axis; kernels in C."""
