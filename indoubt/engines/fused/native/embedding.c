/* Symbols and positions, embedded. (fairseq/models/transformer.py) */
#include "transformer.h"

void embed(const Symbols *side, const real *table, const real *positions, const real *mask, real scale, real *x,
           long examples, long features) {
    for (long example = 0; example < examples; example++)
        for (long row = side->starts[example]; row < side->starts[example + 1]; row++) {
            const real *symbol = table + side->ids[row] * features,
                       *position = positions + (row - side->starts[example]) * features;
            for (long j = 0; j < features; j++) {
                real value = scale * symbol[j] + position[j];
                x[row * features + j] = mask ? value * mask[row * features + j] : value;
            }
        }
}

void embed_backward(const Symbols *side, real *dx, const real *mask, real scale, real *d_table, long symbols,
                    long features) {
    memset(d_table, 0, symbols * features * sizeof(real));
    for (long row = 0; row < side->rows; row++)
        for (long j = 0; j < features; j++) {
            real gradient = scale * dx[row * features + j];
            d_table[side->ids[row] * features + j] += mask ? gradient * mask[row * features + j] : gradient;
        }
}
