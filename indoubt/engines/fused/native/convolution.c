/* What the CNN does around the products of its convolutions, for many models on a CPU: windows and gated linear units.
 */
#include "functions.h"

/* Each symbol's window of `width` symbols, the first of them `before` symbols earlier and zeros outside of its
 * sequence: x (symbols, channels), one sequence of `lengths` symbols after another; windows (symbols, width, channels).
 */
void windows(const real *x, const long long *lengths, real *windows, long sequences, long channels, long width,
             long before) {
    for (long s = 0; s < sequences; x += lengths[s++] * channels)
        for (long t = 0; t < lengths[s]; t++)
            for (long from = t - before; from < t - before + width; from++, windows += channels) {
                if (from >= 0 && from < lengths[s]) memcpy(windows, x + from * channels, channels * sizeof(real));
                else memset(windows, 0, channels * sizeof(real));
            }
}

/* Backward through them: each symbol's gradient is the sum of its gradients in all windows. */
void windows_backward(const real *d_windows, const long long *lengths, real *dx, long sequences, long channels,
                      long width, long before) {
    for (long s = 0; s < sequences; d_windows += lengths[s++] * width * channels)
        for (long t = 0; t < lengths[s]; t++, dx += channels) {
            memset(dx, 0, channels * sizeof(real));
            for (long place = 0; place < width; place++) {
                long by = t + before - place;
                const real *part = d_windows + (by * width + place) * channels;
                for (long c = 0; c < channels && by >= 0 && by < lengths[s]; c++) dx[c] += part[c];
            }
        }
}

/* y = value * gate, where value and sigmoid^-1(gate) are the halves of product * scale + bias: product (models, rows, 2
 * channels), scale and bias (models, 2 channels), the others (models, rows, channels). */
void gated_forward(const real *product, const real *scale, const real *bias, real *value, real *gate, real *y,
                   long models, long rows, long channels) {
    for (long model = 0; model < models; model++, scale += 2 * channels, bias += 2 * channels)
        for (long r = 0; r < rows; r++, product += 2 * channels, value += channels, gate += channels, y += channels)
            for (long j = 0; j < channels; j += LANES) {
                long n = channels - j, k = channels + j;
                vec of_value = load(product + j, n) * load(scale + j, n) + load(bias + j, n);
                vec of_gate = sigmoid(load(product + k, n) * load(scale + k, n) + load(bias + k, n));
                store(value + j, of_value, n), store(gate + j, of_gate, n), store(y + j, of_value * of_gate, n);
            }
}

INLINE void add_to(real *sums, vec x, long n) { store(sums, load(sums, n) + x, n); }

/* Backward through it: from dy to the gradients of product, scale and bias. */
void gated_backward(const real *dy, const real *value, const real *gate, const real *product, const real *scale,
                    real *d_product, real *d_scale, real *d_bias, long models, long rows, long channels) {
    memset(d_scale, 0, models * 2 * channels * sizeof(real));
    memset(d_bias, 0, models * 2 * channels * sizeof(real));
    for (long model = 0; model < models; model++) {
        for (long r = 0; r < rows; r++) {
            for (long j = 0; j < channels; j += LANES) {
                long n = channels - j, k = channels + j;
                vec of_gate = load(gate + j, n), first = load(dy + j, n) * of_gate;
                vec second = first * load(value + j, n) * (1 - of_gate);
                add_to(d_bias + j, first, n), add_to(d_bias + k, second, n);
                add_to(d_scale + j, first * load(product + j, n), n);
                add_to(d_scale + k, second * load(product + k, n), n);
                store(d_product + j, first * load(scale + j, n), n);
                store(d_product + k, second * load(scale + k, n), n);
            }
            dy += channels, value += channels, gate += channels, product += 2 * channels, d_product += 2 * channels;
        }
        scale += 2 * channels, d_scale += 2 * channels, d_bias += 2 * channels;
    }
}
