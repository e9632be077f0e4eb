/* Multi-head attention of a Transformer, example by example. (fairseq/modules/multihead_attention.py)
 *
 * Registers run over places, each a row that asks with one of its heads: place = row * slots + head, where slots is the
 * number of heads or the next power of 2, so that a register holds whole rows or a whole part of one. Queries stand as
 * (features of a head, places), and each number of a key or value stands once for each lane that it meets. What fills
 * registers up is zero and has no effect. */
#include "functions.h"
#include "transformer.h"

INLINE long slots_of(long heads) {
    long slots = 1;
    while (slots < heads) slots *= 2;
    return slots;
}
INLINE long places_of(long rows, long heads) { return (rows * slots_of(heads) + LANES - 1) / LANES * LANES; }

void keep_attended(Attended *kept, const Symbols *asking, const Symbols *seen, long examples, long heads, long features,
                   Room *room) {
    long places = 0, chances = 0;
    kept->asking = asking, kept->seen = seen, kept->most_places = kept->most_seen = 0;
    for (long example = 0; example < examples; example++) {
        long of_rows = places_of(length(asking, example), heads), of_seen = length(seen, example);
        places += of_rows, chances += of_seen * of_rows;
        if (of_rows > kept->most_places) kept->most_places = of_rows;
        if (of_seen > kept->most_seen) kept->most_seen = of_seen;
    }
    kept->q = take_reals(room, features / heads * places), kept->kv = take_reals(room, seen->rows * 2 * features);
    kept->chances = take_reals(room, chances), kept->context = take_reals(room, asking->rows * features);
}

INLINE real *take_tile(const Attended *kept, long heads, long features, Room *room) {
    long tile = slots_of(heads) > LANES ? slots_of(heads) : LANES;
    return take_reals(room, kept->most_seen * features / heads * tile);
}

/* One example: what its attention works on, and how many of the seen the first to ask sees, but for itself. A key's
 * tile has a register, or all slots. */
typedef struct {
    long asking, seen, before, heads, own, slots, tile, places;
    int causal;
} Extent;

INLINE Extent extent_of(const Attended *kept, long example, long heads, long own, int causal) {
    Extent e = {.asking = length(kept->asking, example), .seen = length(kept->seen, example), .causal = causal};
    e.before = e.seen - e.asking, e.heads = heads, e.own = own, e.slots = slots_of(heads);
    e.tile = e.slots > LANES ? e.slots : LANES, e.places = places_of(e.asking, heads);
    return e;
}

/* `call`, in which sizes that are the paper's are constants: its loops are unrolled then. */
#define WITH_USUAL_SIZES(e, call)                                                                                      \
    if (e.heads == 8 && e.own == 2) {                                                                                  \
        e.heads = 8, e.own = 2, e.slots = 8, e.tile = 8 > LANES ? 8 : LANES;                                           \
        call;                                                                                                          \
    } else {                                                                                                           \
        call;                                                                                                          \
    }

/* to (features of a head, places) is scale times from (rows, features). */
INLINE void spread(const Extent *e, const real *from, real *to, real scale) {
    memset(to, 0, e->own * e->places * sizeof(real));
    for (long r = 0; r < e->asking; r++, from += e->heads * e->own)
        for (long h = 0; h < e->heads; h++)
            for (long f = 0; f < e->own; f++) to[f * e->places + r * e->slots + h] = scale * from[h * e->own + f];
}
INLINE void gather(const Extent *e, const real *from, real *to, real scale) {
    for (long r = 0; r < e->asking; r++, to += e->heads * e->own)
        for (long h = 0; h < e->heads; h++)
            for (long f = 0; f < e->own; f++) to[h * e->own + f] = scale * from[f * e->places + r * e->slots + h];
}

/* to (seen, features of a head, tile) has the numbers of from, rows `step` apart, once for each lane. */
INLINE void tile(const Extent *e, const real *from, long step, real *to) {
    memset(to, 0, e->seen * e->own * e->tile * sizeof(real));
    for (long j = 0; j < e->seen; j++, from += step)
        for (long f = 0; f < e->own; f++, to += e->tile)
            for (long at = 0; at < e->tile; at += e->slots)
                for (long h = 0; h < e->heads; h++) to[at + h] = from[h * e->own + f];
}
/* Sums over all lanes that a number has met. */
INLINE void untile(const Extent *e, const real *from, real *to, long step) {
    for (long j = 0; j < e->seen; j++, to += step)
        for (long f = 0; f < e->own; f++, from += e->tile)
            for (long at = 0; at < e->tile; at += e->slots)
                for (long h = 0; h < e->heads; h++) to[h * e->own + f] += from[at + h];
}

/* The first place that sees what stands at j. */
INLINE long first_place(const Extent *e, long j) { return e->causal ? (j - e->before) * e->slots : 0; }

/* How many of the seen any place of a register, from `at` on, sees. */
INLINE long last_seen(const Extent *e, long at) {
    long last = e->before + (at + LANES - 1) / e->slots + 1;
    return e->causal && last < e->seen ? last : e->seen;
}

/* Which places of a register, from `at` on, see what stands at place j. */
INLINE integers sees(const Extent *e, long at, long j) {
    integers lane;
    for (int i = 0; i < LANES; i++) lane[i] = i;
    return lane >= (integer)(first_place(e, j) - at);
}

/* The places of one register: their chances (seen, places) and context (features of a head, places). */
INLINE void attend_places(const Extent *e, const real *q, const real *keys, const real *values, real *chances,
                          real *context, long at) {
    long step = e->places, seen = last_seen(e, at), part = at & (e->tile - 1);
    const real unseen = -1e30;
    vec most = full(unseen), all = {0};
    for (long j = 0; j < seen; j++) {
        vec score = {0};
        for (long f = 0; f < e->own; f++)
            score += load(keys + (j * e->own + f) * e->tile + part, LANES) * load(q + f * step + at, LANES);
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
    for (long f = 0; f < e->own; f++) {
        vec total = {0};
        for (long j = 0; j < seen; j++)
            total += load(values + (j * e->own + f) * e->tile + part, LANES) * load(chances + j * step + at, LANES);
        store(context + f * step + at, total, LANES);
    }
}

/* One example: from its queries to its context, both (rows, features). `kept_q` keeps the queries, spread; keys and
 * values are room for two tiles, `context` for what is spread too. */
INLINE void attend(Extent e, const real *rows, const real *kv, real *kept_q, real *chances, real *to, real *context,
                   real *keys, real *values, real scale) {
    long features = e.heads * e.own;
    spread(&e, rows, kept_q, scale);
    tile(&e, kv, 2 * features, keys), tile(&e, kv + features, 2 * features, values);
    for (long at = 0; at < e.places; at += LANES) attend_places(&e, kept_q, keys, values, chances, context, at);
    gather(&e, context, to, 1);
}

void attend_heads(Attended *kept, const Attention *w, const real *x, const real *source, real *y, long examples,
                  long heads, long features, int causal, Room room) {
    const Symbols *asking = kept->asking, *seen = kept->seen;
    real *rows = take_reals(&room, asking->rows * features),
         *context = take_reals(&room, features / heads * kept->most_places);
    real *keys = take_tile(kept, heads, features, &room), *values = take_tile(kept, heads, features, &room);
    long own = features / heads;
    real scale = 1 / (real)sqrt((double)own);
    kept->x = x, kept->source = source;
    linear(x, w->q, w->q_bias, rows, asking->rows, features, features, room);
    linear(source, w->kv, w->kv_bias, kept->kv, seen->rows, 2 * features, features, room);
    real *q = kept->q, *chances = kept->chances;
    for (long example = 0; example < examples; example++) {
        Extent e = extent_of(kept, example, heads, own, causal);
        long start = asking->starts[example] * features;
        const real *kv = kept->kv + seen->starts[example] * 2 * features;
        WITH_USUAL_SIZES(e,
                         attend(e, rows + start, kv, q, chances, kept->context + start, context, keys, values, scale))
        q += own * e.places, chances += e.seen * e.places;
    }
    linear(kept->context, w->out, w->out_bias, y, asking->rows, features, features, room);
}

/* Backward through the places of one register, from their d_context to their d_scores (seen, places) and d_q. */
INLINE void attend_places_backward(const Extent *e, const real *keys, const real *values, const real *chances,
                                   const real *d_context, real *d_scores, real *d_q, long at) {
    long step = e->places, seen = last_seen(e, at), part = at & (e->tile - 1);
    vec along = {0};
    for (long j = 0; j < seen; j++) {
        vec d_chance = {0};
        for (long f = 0; f < e->own; f++)
            d_chance +=
                load(values + (j * e->own + f) * e->tile + part, LANES) * load(d_context + f * step + at, LANES);
        along += d_chance * load(chances + j * step + at, LANES);
        store(d_scores + j * step + at, d_chance, LANES);
    }
    for (long j = 0; j < seen; j++) {
        vec d_chance = load(d_scores + j * step + at, LANES);
        store(d_scores + j * step + at, load(chances + j * step + at, LANES) * (d_chance - along), LANES);
    }
    for (long f = 0; f < e->own; f++) {
        vec total = {0};
        for (long j = 0; j < seen; j++)
            total += load(keys + (j * e->own + f) * e->tile + part, LANES) * load(d_scores + j * step + at, LANES);
        store(d_q + f * step + at, total, LANES);
    }
}

/* d_tile (features of a head, tile) is the sum over all rows of what they give for what stands at j, which is
 * `factors` (seen, places) times `x` (features of a head, places). */
INLINE void sum_places(const Extent *e, const real *factors, const real *x, real *d_tile, long j) {
    for (long f = 0; f < e->own; f++)
        for (long part = 0; part < e->tile; part += LANES) {
            vec total = {0};
            long at = part;
            while (at + LANES <= first_place(e, j)) at += e->tile;
            for (; at < e->places; at += e->tile)
                total += load(factors + j * e->places + at, LANES) * load(x + f * e->places + at, LANES);
            store(d_tile + f * e->tile + part, total, LANES);
        }
}

/* Backward through one example, from d_rows (rows, features), the gradient of its context, which that of its queries
 * takes the place of; keys and values, which their gradients take the place of, are room for two tiles. */
INLINE void attend_backward(Extent e, const real *q, const real *kv, const real *chances, real *d_rows, real *d_kv,
                            real *d_context, real *d_q, real *d_scores, real *keys, real *values, real scale) {
    long features = e.heads * e.own;
    spread(&e, d_rows, d_context, 1);
    tile(&e, kv, 2 * features, keys), tile(&e, kv + features, 2 * features, values);
    for (long at = 0; at < e.places; at += LANES)
        attend_places_backward(&e, keys, values, chances, d_context, d_scores, d_q, at);
    for (long j = 0; j < e.seen; j++) {
        sum_places(&e, d_scores, q, keys + j * e.own * e.tile, j);
        sum_places(&e, chances, d_context, values + j * e.own * e.tile, j);
    }
    untile(&e, keys, d_kv, 2 * features), untile(&e, values, d_kv + features, 2 * features);
    gather(&e, d_q, d_rows, scale);
}

void attend_heads_backward(const Attended *kept, const Attention *w, const Attention *d, const real *dy, real *dx,
                           real *d_source, long examples, long heads, long features, int causal, Room room) {
    const Symbols *asking = kept->asking, *seen = kept->seen;
    long n_asking = asking->rows * features, n_seen = seen->rows * features, own = features / heads;
    real *d_rows = take_reals(&room, n_asking), *d_kv = take_reals(&room, 2 * n_seen),
         *d_seen = take_reals(&room, n_seen), *d_context = take_reals(&room, own * kept->most_places),
         *d_q = take_reals(&room, own * kept->most_places),
         *d_scores = take_reals(&room, kept->most_seen * kept->most_places);
    real *keys = take_tile(kept, heads, features, &room), *values = take_tile(kept, heads, features, &room);
    real scale = 1 / (real)sqrt((double)own);
    linear_backward(dy, kept->context, w->out, d->out, d->out_bias, d_rows, asking->rows, features, features);
    memset(d_kv, 0, 2 * n_seen * sizeof(real));
    const real *q = kept->q, *chances = kept->chances;
    for (long example = 0; example < examples; example++) {
        Extent e = extent_of(kept, example, heads, own, causal);
        long start = asking->starts[example] * features, of_kv = seen->starts[example] * 2 * features;
        WITH_USUAL_SIZES(e, attend_backward(e, q, kept->kv + of_kv, chances, d_rows + start, d_kv + of_kv, d_context,
                                            d_q, d_scores, keys, values, scale))
        q += own * e.places, chances += e.seen * e.places;
    }
    linear_backward(d_rows, kept->x, w->q, d->q, d->q_bias, dx, asking->rows, features, features);
    linear_backward(d_kv, kept->source, w->kv, d->kv, d->kv_bias, d_seen, seen->rows, 2 * features, features);
    for (long i = 0; i < n_seen; i++) d_source[i] += d_seen[i];
}
