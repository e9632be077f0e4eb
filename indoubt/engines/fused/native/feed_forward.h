#pragma once
#include "vector.h"

/* How many numbers `active` has, the hidden units of some rows. */
long active_size(long rows, long hidden);
/* y = W_2 relu(W_1 x + b_1) + b_2: x and y (rows, features), w1 and w2 (features, hidden). */
void feed_forward(const real *x, const real *w1, const real *b1, const real *w2, const real *b2, real *active, real *y,
                  long rows, long features, long hidden);
/* From dy to the gradients of all weights and dx; d_active is room of the size of `active`. */
void feed_forward_backward(const real *dy, const real *x, const real *active, const real *w1, const real *w2,
                           real *d_w1, real *d_b1, real *d_w2, real *d_b2, real *dx, real *d_active, long rows,
                           long features, long hidden);
