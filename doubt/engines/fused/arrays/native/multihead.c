/* Multi-head attention of a Transformer, example by example. (fairseq/modules/multihead_attention.py)
 *
 * Registers run over the rows that ask, so queries and contexts stand transposed, (features, rows) with rows filled up
 * to whole registers; what fills up is zero and has no effect. */
#include "functions.h"
#include "transformer.h"

INLINE long filled(long rows) { return (rows + LANES - 1) / LANES * LANES; }

void keep_attended(Attended *kept, const Symbols *asking, const Symbols *seen, long examples, long heads, long features,
                   Room *room) {
    long queries = 0, chances = 0;
    kept->asking = asking, kept->seen = seen, kept->largest = 0;
    for (long example = 0; example < examples; example++) {
        long rows = filled(length(asking, example)), of_head = length(seen, example) * rows;
        queries += rows, chances += heads * of_head;
        if (of_head > kept->largest) kept->largest = of_head;
    }
    kept->q = take_reals(room, features * queries), kept->kv = take_reals(room, seen->rows * 2 * features);
    kept->chances = take_reals(room, chances), kept->context = take_reals(room, asking->rows * features);
}

/* to (features, filled rows) is scale times the transpose of from (rows, features). */
INLINE void stand_up(const real *from, real *to, long rows, long features, real scale) {
    for (long j = 0; j < features; j++, to += filled(rows)) {
        for (long r = 0; r < rows; r++) to[r] = scale * from[r * features + j];
        for (long r = rows; r < filled(rows); r++) to[r] = 0;
    }
}
INLINE void lie_down(const real *from, real *to, long rows, long features, real scale) {
    for (long j = 0; j < features; j++, from += filled(rows))
        for (long r = 0; r < rows; r++) to[r * features + j] = scale * from[r];
}

/* One example: what its attention works on, and how many of the seen the first to ask sees, but for itself. */
typedef struct {
    long asking, seen, before, heads, features;
    int causal;
} Extent;

/* How many of the seen any row of a register, from `at` on, sees. */
INLINE long last_seen(const Extent *e, long at) {
    long last = e->before + at + LANES;
    return e->causal && last < e->seen ? last : e->seen;
}

/* Which rows of a register, from `at` on, see what stands at place j. */
INLINE integers sees(const Extent *e, long at, long j) {
    integers row;
    for (int i = 0; i < LANES; i++) row[i] = i;
    return row >= (integer)(j - e->before - at);
}

/* One head of one register: its chances (seen, filled rows) and context (features of the head, filled rows). */
INLINE void attend_head(const Extent *e, const real *q, const real *kv, real *chances, real *context, long at) {
    long step = filled(e->asking), own = e->features / e->heads, seen = last_seen(e, at);
    const real unseen = -1e30;
    vec most = (vec){0} + unseen, all = {0};
    for (long j = 0; j < seen; j++) {
        const real *key = kv + j * 2 * e->features;
        vec score = {0};
        for (long f = 0; f < own; f++) score += key[f] * load(q + f * step + at, LANES);
        if (e->causal) score = choose(sees(e, at, j), score, (vec){0} + unseen);
        most = larger(most, score);
        store(chances + j * step + at, score, LANES);
    }
    for (long j = 0; j < seen; j++) {
        vec chance = exponential(load(chances + j * step + at, LANES) - most);
        if (e->causal) chance = choose(sees(e, at, j), chance, (vec){0});
        all += chance;
        store(chances + j * step + at, chance, LANES);
    }
    vec share = 1 / all;
    for (long j = 0; j < seen; j++) store(chances + j * step + at, share * load(chances + j * step + at, LANES), LANES);
    for (long f = 0; f < own; f++) {
        vec total = {0};
        for (long j = 0; j < seen; j++)
            total += kv[(2 * j + 1) * e->features + f] * load(chances + j * step + at, LANES);
        store(context + f * step + at, total, LANES);
    }
}

void attend_heads(Attended *kept, const Attention *w, const real *x, const real *source, real *y, long examples,
                  long heads, long features, int causal, Room room) {
    const Symbols *asking = kept->asking, *seen = kept->seen;
    real *rows = take_reals(&room, asking->rows * features),
         *context = take_reals(&room, features * filled(asking->rows));
    real scale = 1 / (real)sqrt((double)features / heads);
    kept->x = x, kept->source = source;
    linear(x, w->q, w->q_bias, rows, asking->rows, features, features, room);
    linear(source, w->kv, w->kv_bias, kept->kv, seen->rows, 2 * features, features, room);
    real *q = kept->q, *chances = kept->chances;
    for (long example = 0; example < examples; example++) {
        Extent e = {length(asking, example), length(seen, example), 0, heads, features, causal};
        e.before = e.seen - e.asking;
        long step = filled(e.asking), own = features / heads, start = asking->starts[example] * features;
        const real *kv = kept->kv + seen->starts[example] * 2 * features;
        stand_up(rows + start, q, e.asking, features, scale);
        for (long head = 0; head < heads; head++, chances += e.seen * step)
            for (long at = 0; at < step; at += LANES)
                attend_head(&e, q + head * own * step, kv + head * own, chances, context + head * own * step, at);
        lie_down(context, kept->context + start, e.asking, features, 1);
        q += features * step;
    }
    linear(kept->context, w->out, w->out_bias, y, asking->rows, features, features, room);
}

/* Backward through one head of one register; d_scores (seen, filled rows) is room. */
INLINE void attend_head_backward(const Extent *e, const real *q, const real *kv, const real *chances,
                                 const real *d_context, real *d_q, real *d_kv, real *d_scores, long at) {
    long step = filled(e->asking), own = e->features / e->heads, seen = last_seen(e, at);
    vec along = {0};
    for (long j = 0; j < seen; j++) {
        const real *value = kv + (2 * j + 1) * e->features;
        vec d_chance = {0};
        for (long f = 0; f < own; f++) d_chance += value[f] * load(d_context + f * step + at, LANES);
        along += d_chance * load(chances + j * step + at, LANES);
        store(d_scores + j * step + at, d_chance, LANES);
    }
    for (long j = 0; j < seen; j++) {
        vec chance = load(chances + j * step + at, LANES),
            d_score = chance * (load(d_scores + j * step + at, LANES) - along);
        store(d_scores + j * step + at, d_score, LANES);
        real *d_key = d_kv + 2 * j * e->features, *d_value = d_key + e->features;
        for (long f = 0; f < own; f++) {
            d_key[f] += sum(d_score * load(q + f * step + at, LANES));
            d_value[f] += sum(chance * load(d_context + f * step + at, LANES));
        }
    }
    for (long f = 0; f < own; f++) {
        vec total = {0};
        for (long j = 0; j < seen; j++) total += kv[2 * j * e->features + f] * load(d_scores + j * step + at, LANES);
        store(d_q + f * step + at, total, LANES);
    }
}

void attend_heads_backward(const Attended *kept, const Attention *w, const Attention *d, const real *dy, real *dx,
                           real *d_source, long examples, long heads, long features, int causal, Room room) {
    const Symbols *asking = kept->asking, *seen = kept->seen;
    long n_asking = asking->rows * features, n_seen = seen->rows * features;
    real *d_rows = take_reals(&room, n_asking), *d_kv = take_reals(&room, 2 * n_seen),
         *d_seen = take_reals(&room, n_seen), *d_context = take_reals(&room, features * filled(asking->rows)),
         *d_q = take_reals(&room, features * filled(asking->rows)), *d_scores = take_reals(&room, kept->largest);
    real scale = 1 / (real)sqrt((double)features / heads);
    linear_backward(dy, kept->context, w->out, d->out, d->out_bias, d_rows, asking->rows, features, features, room);
    memset(d_kv, 0, 2 * n_seen * sizeof(real));
    const real *q = kept->q, *chances = kept->chances;
    for (long example = 0; example < examples; example++) {
        Extent e = {length(asking, example), length(seen, example), 0, heads, features, causal};
        e.before = e.seen - e.asking;
        long step = filled(e.asking), own = features / heads, start = asking->starts[example] * features;
        long of_kv = seen->starts[example] * 2 * features;
        stand_up(d_rows + start, d_context, e.asking, features, 1);
        for (long head = 0; head < heads; head++, chances += e.seen * step) {
            long of_head = head * own * step, kv = of_kv + head * own;
            for (long at = 0; at < step; at += LANES)
                attend_head_backward(&e, q + of_head, kept->kv + kv, chances, d_context + of_head, d_q + of_head,
                                     d_kv + kv, d_scores, at);
        }
        lie_down(d_q, d_rows + start, e.asking, features, scale);
        q += features * step;
    }
    linear_backward(d_rows, kept->x, w->q, d->q, d->q_bias, dx, asking->rows, features, features, room);
    linear_backward(d_kv, kept->source, w->kv, d->kv, d->kv_bias, d_seen, seen->rows, 2 * features, features, room);
    for (long i = 0; i < n_seen; i++) d_source[i] += d_seen[i];
}
