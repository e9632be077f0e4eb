/* fairseq's Adam: w -= step m / (sqrt(v) + eps). (fairseq/optim/adam.py) */
#include "transformer.h"

void adam_step(real *w, real *m, real *v, const real *gradient, long n, real factor, real step, real beta1, real beta2,
               real eps) {
    for (long i = 0; i < n; i++) {
        real g = factor * gradient[i];
        m[i] += (1 - beta1) * (g - m[i]);
        v[i] += (1 - beta2) * (g * g - v[i]);
        w[i] -= step * m[i] / ((sizeof(real) == 4 ? sqrtf((float)v[i]) : (real)sqrt((double)v[i])) + eps);
    }
}
