/* The end of each sublayer: y = norm(x + dropout(f)), row by row. (torch.nn.LayerNorm, eps 1e-5) */
#include "transformer.h"

void keep_normed(Normed *kept, long rows, long features, Room *room) {
    kept->normed = take_reals(room, rows * features), kept->rates = take_reals(room, rows);
}

INLINE vec row_of(const real *x, long j, long features) { return load(x + j, features - j); }

void add_and_norm(Normed *kept, const Norm *w, const real *x, const real *f, const real *mask, real *y, long rows,
                  long features) {
    for (long r = 0; r < rows; r++, x += features, f += features, y += features) {
        real *normed = kept->normed + r * features;
        vec total = {0};
        for (long j = 0; j < features; j += LANES) {
            vec value = row_of(f, j, features);
            if (mask) value *= row_of(mask + r * features, j, features);
            value += row_of(x, j, features);
            store(normed + j, value, features - j);
            total += value;
        }
        real mean = sum(total) / features, squares = 0;
        for (long j = 0; j < features; j++) normed[j] -= mean;
        squares = dot(normed, normed, features);
        real rate = 1 / (real)sqrt(squares / features + 1e-5);
        kept->rates[r] = rate;
        for (long j = 0; j < features; j++) {
            normed[j] *= rate;
            y[j] = normed[j] * w->scale[j] + w->shift[j];
        }
    }
}

void add_and_norm_backward(const Normed *kept, const Norm *w, const Norm *d, const real *dy, const real *mask, real *dx,
                           real *df, long rows, long features) {
    memset(d->scale, 0, features * sizeof(real)), memset(d->shift, 0, features * sizeof(real));
    for (long r = 0; r < rows; r++, dy += features, dx += features, df += features) {
        const real *normed = kept->normed + r * features;
        vec total = {0}, along = {0};
        for (long j = 0; j < features; j += LANES) {
            long n = features - j;
            vec of_dy = load(dy + j, n), of_normed = load(normed + j, n), gradient = of_dy * load(w->scale + j, n);
            store(d->scale + j, load(d->scale + j, n) + of_dy * of_normed, n);
            store(d->shift + j, load(d->shift + j, n) + of_dy, n);
            total += gradient, along += gradient * of_normed;
            store(dx + j, gradient, n);
        }
        real mean = sum(total) / features, mean_along = sum(along) / features;
        for (long j = 0; j < features; j++) {
            dx[j] = kept->rates[r] * (dx[j] - mean - normed[j] * mean_along);
            df[j] = mask ? dx[j] * mask[r * features + j] : dx[j];
        }
    }
}
