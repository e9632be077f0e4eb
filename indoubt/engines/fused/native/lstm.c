/* The recurrences of an LSTM, for a single model on a CPU: a cell through time, attention over the source.
 *
 * What lies between the products is a few hundred numbers, for which an operation of torch's costs more to call than to
 * compute, and more still when the weights have driven its code from the cache.
 */
#include "functions.h"
#include "products.h"

INLINE void add(real *y, real factor, const real *x, long size) {
    for (long j = 0; j < size; j += LANES)
        store(y + j, load(y + j, size - j) + factor * load(x + j, size - j), size - j);
}

/* One step of a cell: from the gates' products and the cell state `before` to the gates' values, in place, the cell
 * state `after`, its hyperbolic tangent `squashed` and the hidden state. Gates (rows, 4 hidden) in the order i, f, g,
 * o; the others (rows, hidden), rows of `hidden` `step` apart. */
void lstm_forward(real *gates, const real *before, real *after, real *squashed, real *hidden, long step, long rows,
                  long size) {
    for (long r = 0; r < rows; r++, gates += 4 * size, before += size, after += size, squashed += size, hidden += step)
        for (long j = 0; j < size; j += LANES) {
            long n = size - j;
            vec i = sigmoid(load(gates + j, n)), f = sigmoid(load(gates + size + j, n));
            vec g = hyperbolic_tangent(load(gates + 2 * size + j, n)), o = sigmoid(load(gates + 3 * size + j, n));
            vec cell = f * load(before + j, n) + i * g, tangent = hyperbolic_tangent(cell);
            store(gates + j, i, n), store(gates + size + j, f, n);
            store(gates + 2 * size + j, g, n), store(gates + 3 * size + j, o, n);
            store(after + j, cell, n), store(squashed + j, tangent, n), store(hidden + j, o * tangent, n);
        }
}

/* Backward through one step: from the gradients of the hidden and cell states that it ends in to those of the gates'
 * products and, in place, of the cell state that it starts from. */
void lstm_backward(const real *gates, const real *before, const real *squashed, const real *d_hidden, real *d_cell,
                   real *d_gates, long rows, long size) {
    for (long r = 0; r < rows; r++, gates += 4 * size, d_gates += 4 * size, before += size, squashed += size,
              d_hidden += size, d_cell += size)
        for (long j = 0; j < size; j += LANES) {
            long n = size - j;
            vec i = load(gates + j, n), f = load(gates + size + j, n);
            vec g = load(gates + 2 * size + j, n), o = load(gates + 3 * size + j, n);
            vec tangent = load(squashed + j, n), dh = load(d_hidden + j, n);
            vec dc = load(d_cell + j, n) + dh * o * (1 - tangent * tangent);
            store(d_gates + j, dc * g * i * (1 - i), n);
            store(d_gates + size + j, dc * load(before + j, n) * f * (1 - f), n);
            store(d_gates + 2 * size + j, dc * i * (1 - g * g), n);
            store(d_gates + 3 * size + j, dh * tangent * o * (1 - o), n);
            store(d_cell + j, dc * f, n);
        }
}

/* Steps `from` to `to` of a cell. At time t its first active[t] rows are computed: inputs (times + 1, batch, width),
 * which end in the hidden state that a step starts from; gates (times, batch, 4 size), cells (times + 1, batch, size),
 * squashed (times, batch, size); weight (4 size, width), bias (4 size).
 *
 * If `fed` is not negative, the next step's inputs hold this step's hidden state from there on as well, times its mask:
 * masks, or none, of each row and time, rows `mask_step` apart. */
void cell_forward(const real *weight, const real *bias, real *inputs, real *gates, real *cells, real *squashed,
                  const long long *active, const real *masks, long mask_step, long fed, long from, long to, long batch,
                  long width, long size) {
    for (long t = from; t < to; t++) {
        long rows = active[t], states = t * batch * size;
        real *of_t = gates + 4 * states, *next = inputs + (t + 1) * batch * width, *hidden = next + width - size;
        multiply_transposed(inputs + t * batch * width, width, weight, bias, of_t, 4 * size, rows, 4 * size, width);
        lstm_forward(of_t, cells + states, cells + states + batch * size, squashed + states, hidden, width, rows, size);
        for (long r = 0; r < rows && fed >= 0; r++)
            for (long j = 0; j < size; j++)
                next[r * width + fed + j] =
                    hidden[r * width + j] * (masks ? masks[r * mask_step + t * size + j] : (real)1);
    }
}

/* Backward through them, from the last: from d_hidden and d_cell (batch, size), of the states that the steps end in, to
 * the same of those that they start from, and to d_gates and d_inputs (times, batch, ...). d_outputs, or none, (times,
 * batch, size): what else each step's hidden state has a gradient from, besides the next step and what is fed to it. */
void cell_backward(const real *weight, const real *gates, const real *cells, const real *squashed, real *d_hidden,
                   real *d_cell, real *d_gates, real *d_inputs, const real *d_outputs, const long long *active,
                   const real *masks, long mask_step, long fed, long from, long to, long times, long batch, long width,
                   long size) {
    for (long t = to - 1; t >= from; t--) {
        long rows = active[t], states = t * batch * size;
        real *of_t = d_gates + 4 * states, *d_in = d_inputs + t * batch * width;
        for (long r = 0; r < rows && d_outputs; r++) add(d_hidden + r * size, 1, d_outputs + states + r * size, size);
        for (long r = 0; r < rows && fed >= 0 && t + 1 < times; r++)
            for (long j = 0; j < size; j++)
                d_hidden[r * size + j] +=
                    d_in[(batch + r) * width + fed + j] * (masks ? masks[r * mask_step + t * size + j] : (real)1);
        lstm_backward(gates + 4 * states, cells + states, squashed + states, d_hidden, d_cell, of_t, rows, size);
        multiply(of_t, 4 * size, weight, d_in, width, rows, 4 * size, width);
        for (long r = 0; r < rows; r++) memcpy(d_hidden + r * size, d_in + (r + 1) * width - size, size * sizeof(real));
    }
}

/* Attention of each row's query over its own source: `attended` is the softmax of query . source over the first
 * `lengths` times and zero after, `context` the source weighted with it. Query (rows, size), source (rows, times,
 * size), attended (rows, times), context (rows, size) with rows `step` apart. */
void attend_forward(const real *query, const real *source, const long long *lengths, real *attended, real *context,
                    long step, long rows, long times, long size) {
    for (long r = 0; r < rows; r++, query += size, source += times * size, attended += times, context += step) {
        real most = -INFINITY, total = 0;
        for (long t = 0; t < lengths[r]; t++) {
            attended[t] = dot(query, source + t * size, size);
            most = attended[t] > most ? attended[t] : most;
        }
        for (long t = 0; t < lengths[r]; t++) total += attended[t] = (real)exp((double)(attended[t] - most));
        memset(context, 0, size * sizeof(real));
        for (long t = 0; t < times; t++) attended[t] = t < lengths[r] ? attended[t] / total : 0;
        for (long t = 0; t < lengths[r]; t++) add(context, attended[t], source + t * size, size);
    }
}

/* Backward through it: from the gradient of the context, with rows `step` apart, to those of the scores and the query.
 */
void attend_backward(const real *d_context, long step, const real *source, const real *attended, real *d_scores,
                     real *d_query, long rows, long times, long size) {
    for (long r = 0; r < rows;
         r++, d_context += step, source += times * size, attended += times, d_scores += times, d_query += size) {
        real mean = 0;
        for (long t = 0; t < times; t++) {
            d_scores[t] = dot(d_context, source + t * size, size);
            mean += attended[t] * d_scores[t];
        }
        memset(d_query, 0, size * sizeof(real));
        for (long t = 0; t < times; t++) {
            d_scores[t] = attended[t] * (d_scores[t] - mean);
            add(d_query, d_scores[t], source + t * size, size);
        }
    }
}
