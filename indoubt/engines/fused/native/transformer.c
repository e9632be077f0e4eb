/* Updates of one Transformer from top to bottom: masks, forward, loss, backward, clipping, Adam.
 * (fairseq/models/transformer.py, modules/transformer_layer.py; post-norm) */
#include "feed_forward.h"
#include "masks.h"
#include "transformer.h"

enum { ENCODER, DECODER };

/* What a training is trained on: the symbols of all its examples one after another, and how dropout numbers places. */
typedef struct {
    const long *ids[2], *starts[2]; /* of sources and targets; starts: (examples + 1) */
    const real *positions;          /* (symbols of the longest, features) */
    const int64_t *rows;            /* a hash for each place in a batch */
    const int64_t *counters, *thresholds;
    const real *scales;
    const long *sites; /* where each site's places begin: of the encoder, then the decoder; -1: without dropout */
} Data;

/* What a layer keeps for the way back. */
typedef struct {
    const real *self_mask, *cross_mask, *last_mask;
    Attended self, cross;
    Normed self_normed, cross_normed, last_normed;
    real *seen, *after_self, *after_cross, *active, *y; /* seen: source and target in turn, for joint attention */
} Kept;

/* One batch on its way through the model. */
typedef struct {
    const Sizes *sizes;
    const Weights *w, *d;
    long examples;
    Symbols side[2], both; /* both: of each example the source's symbols, then the target's */
    long *targets;
    const real *mask[2];
    real *embedded[2], *logits;
    Kept *layers[2];
    Room scratch;
} Pass;

static void add(real *to, const real *x, long n) {
    for (long i = 0; i < n; i++) to[i] += x[i];
}

/* ---- The batch ---- */

/* Put the symbols of the chosen examples below each other. The decoder is given what stands before each target. */
static void lay_out(Pass *pass, const Data *data, const long *chosen, Room *room) {
    for (int side = 0; side < 2; side++) {
        Symbols *symbols = &pass->side[side];
        long rows = 0;
        symbols->starts = take(room, (pass->examples + 1) * sizeof(long));
        for (long i = 0; i < pass->examples; i++) {
            symbols->starts[i] = rows;
            rows += data->starts[side][chosen[i] + 1] - data->starts[side][chosen[i]];
        }
        symbols->starts[pass->examples] = symbols->rows = rows;
        symbols->ids = take(room, rows * sizeof(long));
        for (long i = 0; i < pass->examples; i++)
            memcpy(symbols->ids + symbols->starts[i], data->ids[side] + data->starts[side][chosen[i]],
                   length(symbols, i) * sizeof(long));
    }
    Symbols *source = &pass->side[ENCODER], *target = &pass->side[DECODER];
    pass->targets = target->ids;
    target->ids = take(room, target->rows * sizeof(long));
    pass->both.rows = source->rows + target->rows;
    pass->both.starts = take(room, (pass->examples + 1) * sizeof(long));
    for (long i = 0; i < pass->examples; i++) {
        long start = target->starts[i], end = target->starts[i + 1];
        target->ids[start] = pass->targets[end - 1]; /* </s>, by which each target ends and each output starts */
        memcpy(target->ids + start + 1, pass->targets + start, (end - start - 1) * sizeof(long));
    }
    for (long i = 0; i <= pass->examples; i++) pass->both.starts[i] = source->starts[i] + target->starts[i];
}

/* The mask of the next site; none where there is no dropout. */
static const real *draw(Pass *pass, int side, const long **site, const Data *data, uint64_t offset, Room *room) {
    long first = *(*site)++, features = pass->sizes->features;
    if (first < 0) return 0;
    const Symbols *symbols = &pass->side[side];
    real *mask = take_reals(room, symbols->rows * features);
    if (room->base)
        for (long i = 0; i < pass->examples; i++)
            draw_row(data->rows[i], offset, data->counters + first, data->thresholds + first, data->scales + first,
                     mask + symbols->starts[i] * features, length(symbols, i) * features);
    return mask;
}

/* Take room for all that a pass keeps, and draw its masks. Without a base the room is only counted. */
static void prepare(Pass *pass, const Data *data, uint64_t offset, Kept *layers, Room *room) {
    const Sizes *s = pass->sizes;
    const long *site = data->sites;
    for (int side = 0; side < 2; side++) {
        const Symbols *symbols = &pass->side[side];
        long n = symbols->rows * s->features;
        pass->layers[side] = layers;
        pass->mask[side] = draw(pass, side, &site, data, offset, room);
        pass->embedded[side] = take_reals(room, n);
        for (Kept *k = layers; k < layers + s->layers[side]; k++) {
            int joint = side == DECODER && s->joint;
            k->self_mask = draw(pass, side, &site, data, offset, room);
            k->seen = joint ? take_reals(room, pass->both.rows * s->features) : 0;
            keep_attended(&k->self, symbols, joint ? &pass->both : symbols, pass->examples, s->heads[side], s->features,
                          room);
            keep_normed(&k->self_normed, symbols->rows, s->features, room);
            k->after_self = k->after_cross = take_reals(room, n);
            if (side == DECODER) {
                k->cross_mask = draw(pass, side, &site, data, offset, room);
                keep_attended(&k->cross, symbols, &pass->side[ENCODER], pass->examples, s->heads[side], s->features,
                              room);
                keep_normed(&k->cross_normed, symbols->rows, s->features, room);
                k->after_cross = take_reals(room, n);
            }
            k->last_mask = draw(pass, side, &site, data, offset, room);
            k->active = take_reals(room, active_size(symbols->rows, s->hidden[side]));
            keep_normed(&k->last_normed, symbols->rows, s->features, room);
            k->y = take_reals(room, n);
        }
        layers += s->layers[side];
    }
    pass->logits = take_reals(room, pass->side[DECODER].rows * s->symbols[DECODER]);
}

/* ---- Forward ---- */

static const Layer *layers_of(const Weights *w, const Sizes *s, int side) {
    return w->layers + (side == DECODER ? s->layers[ENCODER] : 0);
}

/* Each example's source rows, then its target rows. */
static void interleave(const Pass *pass, const real *source, const real *target, real *both) {
    long features = pass->sizes->features;
    for (long i = 0; i < pass->examples; i++) {
        long from = pass->side[ENCODER].starts[i], of_source = length(&pass->side[ENCODER], i);
        real *to = both + pass->both.starts[i] * features;
        memcpy(to, source + from * features, of_source * features * sizeof(real));
        memcpy(to + of_source * features, target + pass->side[DECODER].starts[i] * features,
               length(&pass->side[DECODER], i) * features * sizeof(real));
    }
}

/* All layers of one side; `source` is what the encoder made of the source. Returns the last one's rows. */
static const real *forward(Pass *pass, int side, const real *positions, const real *source) {
    const Sizes *s = pass->sizes;
    const Symbols *symbols = &pass->side[side];
    long rows = symbols->rows, features = s->features, heads = s->heads[side];
    Room scratch = pass->scratch;
    real *f = take_reals(&scratch, rows * features);
    const real *x = pass->embedded[side];
    embed(symbols, pass->w->embedded[side], positions, pass->mask[side], s->plain ? 1 : (real)sqrt((double)features),
          pass->embedded[side], pass->examples, features);
    for (long layer = 0; layer < s->layers[side]; layer++) {
        const Layer *w = layers_of(pass->w, s, side) + layer;
        Kept *k = pass->layers[side] + layer;
        if (k->seen) interleave(pass, source, x, k->seen);
        attend_heads(&k->self, &w->self, x, k->seen ? k->seen : x, f, pass->examples, heads, features, side == DECODER,
                     scratch);
        add_and_norm(&k->self_normed, &w->self_norm, x, f, k->self_mask, k->after_self, rows, features);
        if (side == DECODER) {
            attend_heads(&k->cross, &w->cross, k->after_self, source, f, pass->examples, heads, features, 0, scratch);
            add_and_norm(&k->cross_normed, &w->cross_norm, k->after_self, f, k->cross_mask, k->after_cross, rows,
                         features);
        }
        const FeedForward *ff = &w->feed_forward;
        feed_forward(k->after_cross, ff->w1, ff->b1, ff->w2, ff->b2, k->active, f, rows, features, s->hidden[side]);
        add_and_norm(&k->last_normed, &w->last_norm, k->after_cross, f, k->last_mask, k->y, rows, features);
        x = k->y;
    }
    return x;
}

/* ---- Backward ---- */

/* Add the gradient of interleaved rows to those of source and target. */
static void part(const Pass *pass, const real *d_both, real *d_source, real *d_target) {
    long features = pass->sizes->features;
    for (long i = 0; i < pass->examples; i++) {
        const real *from = d_both + pass->both.starts[i] * features;
        long of_source = length(&pass->side[ENCODER], i) * features;
        add(d_source + pass->side[ENCODER].starts[i] * features, from, of_source);
        add(d_target + pass->side[DECODER].starts[i] * features, from + of_source,
            length(&pass->side[DECODER], i) * features);
    }
}

/* Backward through one side, from dx, the gradient of its last rows, which is overwritten; adds to d_source. */
static void backward(Pass *pass, int side, real *dx, real *d_source) {
    const Sizes *s = pass->sizes;
    const Symbols *symbols = &pass->side[side];
    long rows = symbols->rows, features = s->features, heads = s->heads[side], n = rows * features;
    Room scratch = pass->scratch;
    real *df = take_reals(&scratch, n), *d_through = take_reals(&scratch, n),
         *d_both = take_reals(&scratch, s->joint ? pass->both.rows * features : 0);
    for (long layer = s->layers[side]; layer-- > 0;) {
        const Layer *w = layers_of(pass->w, s, side) + layer, *d = layers_of(pass->d, s, side) + layer;
        const Kept *k = pass->layers[side] + layer;
        const FeedForward *ff = &w->feed_forward, *dff = &d->feed_forward;
        Room room = scratch;
        add_and_norm_backward(&k->last_normed, &w->last_norm, &d->last_norm, dx, k->last_mask, dx, df, rows, features);
        feed_forward_backward(df, k->after_cross, k->active, ff->w1, ff->w2, dff->w1, dff->b1, dff->w2, dff->b2,
                              d_through, take_reals(&room, active_size(rows, s->hidden[side])), rows, features,
                              s->hidden[side]);
        add(dx, d_through, n);
        if (side == DECODER) {
            add_and_norm_backward(&k->cross_normed, &w->cross_norm, &d->cross_norm, dx, k->cross_mask, dx, df, rows,
                                  features);
            attend_heads_backward(&k->cross, &w->cross, &d->cross, df, d_through, d_source, pass->examples, heads,
                                  features, 0, scratch);
            add(dx, d_through, n);
        }
        add_and_norm_backward(&k->self_normed, &w->self_norm, &d->self_norm, dx, k->self_mask, dx, df, rows, features);
        if (k->seen) memset(d_both, 0, pass->both.rows * features * sizeof(real));
        attend_heads_backward(&k->self, &w->self, &d->self, df, d_through, k->seen ? d_both : dx, pass->examples, heads,
                              features, side == DECODER, scratch);
        if (k->seen) part(pass, d_both, d_source, dx);
        add(dx, d_through, n);
    }
    embed_backward(symbols, dx, pass->mask[side], s->plain ? 1 : (real)sqrt((double)features), pass->d->embedded[side],
                   s->symbols[side], features);
}

/* The gradient of a batch's negative log-likelihood per example; returns the sum over examples, in nats. */
static double gradient(Pass *pass, const Data *data) {
    const Sizes *s = pass->sizes;
    long rows = pass->side[DECODER].rows, features = s->features, of_source = pass->side[ENCODER].rows * features;
    const real *source = forward(pass, ENCODER, data->positions, 0),
               *x = forward(pass, DECODER, data->positions, source);
    Room outer = pass->scratch;
    real *dx = take_reals(&pass->scratch, rows * features), *d_source = take_reals(&pass->scratch, of_source);
    linear(x, pass->w->out, 0, pass->logits, rows, s->symbols[DECODER], features, pass->scratch);
    double nats = cross_entropy(pass->logits, pass->targets, rows, s->symbols[DECODER], pass->examples);
    linear_backward(pass->logits, x, pass->w->out, pass->d->out, 0, dx, rows, s->symbols[DECODER], features);
    memset(d_source, 0, of_source * sizeof(real));
    backward(pass, DECODER, dx, d_source);
    backward(pass, ENCODER, d_source, 0);
    pass->scratch = outer;
    return nats;
}

/* ---- Updates ---- */

/* Bytes that layers take and give back, at most; `take` sees to it that it is enough. */
static size_t scratch_bytes(const Pass *pass, const Sizes *s) {
    long hidden = s->hidden[ENCODER] > s->hidden[DECODER] ? s->hidden[ENCODER] : s->hidden[DECODER],
         heads = s->heads[ENCODER] > s->heads[DECODER] ? s->heads[ENCODER] : s->heads[DECODER],
         symbols = s->symbols[ENCODER] > s->symbols[DECODER] ? s->symbols[ENCODER] : s->symbols[DECODER],
         longest = s->longest[ENCODER] + s->longest[DECODER];
    long of_rows = (pass->both.rows + LANES) * (hidden + LANES + symbols + 20 * s->features),
         of_weights = (2 * s->features + symbols) * s->features, of_tiles = 2 * longest * s->features * LANES,
         of_scores = longest * (longest * 2 * heads + LANES);
    return (of_rows + of_weights + of_tiles + of_scores) * sizeof(real) + 4096;
}

/* `updates` updates of a model from number `done` on. `tables` holds pointers to each block of its weights, gradients
 * and both moments, `block_sizes` their sizes, in the order of `Weights` without what is missing there. `chosen`
 * (updates or 1, batch) are the examples of each update's batch, `chosen_step` apart; `steps` are Adam's step sizes.
 * `nats` becomes the last batch's negative log-likelihood, `finished` the updates done, fewer if memory lacks. */
void transformer_updates(const Sizes *sizes, const Data *data, const Weights *weights, const Weights *d_weights,
                         real *const *w, real *const *gradients, real *const *first, real *const *second,
                         const long *block_sizes, long blocks, const long *chosen, long batch, long chosen_step,
                         const double *steps, long done, long updates, double beta1, double beta2, double eps,
                         double clip, double *nats, long *finished) {
    Kept *layers = calloc(sizes->layers[ENCODER] + sizes->layers[DECODER] + 1, sizeof(Kept));
    char *laid_out = 0, *base = 0;
    size_t room_for_symbols = 0, size = 0;
    *finished = 0;
    for (long i = 0; layers && i < updates; i++, chosen += chosen_step) {
        uint64_t offset = (uint64_t)(done + i) * GOLDEN;
        Pass pass = {.sizes = sizes, .w = weights, .d = d_weights, .examples = batch};
        if (!i) {
            room_for_symbols =
                (batch * (sizes->longest[ENCODER] + 2 * sizes->longest[DECODER] + 4) + 128) * sizeof(long);
            laid_out = malloc(room_for_symbols);
            if (!laid_out) break;
        }
        Room of_symbols = {laid_out, 0, room_for_symbols}, room = {0};
        lay_out(&pass, data, chosen, &of_symbols);
        prepare(&pass, data, offset, layers, &room);
        size_t needed = (room.used + scratch_bytes(&pass, sizes) + 63) / 64 * 64;
        if (needed > size) {
            size = needed;
            free(base);
            base = aligned_alloc(64, size);
            if (!base) break;
        }
        room = (Room){base, 0, size};
        prepare(&pass, data, offset, layers, &room);
        pass.scratch = room;
        *nats = gradient(&pass, data);
        real factor = clipping(gradients, block_sizes, blocks, clip);
        for (long b = 0; b < blocks; b++)
            adam_step(w[b], first[b], second[b], gradients[b], block_sizes[b], factor, (real)steps[i], (real)beta1,
                      (real)beta2, (real)eps);
        *finished = i + 1;
    }
    free(base), free(laid_out), free(layers);
}
