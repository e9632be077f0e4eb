/* What a Transformer is made of, where its numbers lie, and what its layers do with them.
 *
 * Symbols are rows: those of all examples of a batch below each other, sources and targets apart, padded to nothing. A
 * layer is a pair: forward keeps what the gradient needs, backward sets the gradients of its weights. */
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "vector.h"

/* Sizes of a model, as `learners/transformer_in_c.py` gives them. */
typedef struct {
    long features;
    long hidden[2], heads[2], layers[2], symbols[2]; /* of encoder and decoder, as all pairs are */
    long longest[2];                                 /* symbols of the longest source and target */
    long joint;                                      /* whether the decoder's self-attention sees the source too */
    long plain; /* whether embeddings are added to positions as they are, not scaled */
} Sizes;

/* A model's weights, or their gradients or moments; linear maps are (out, in) but for w1, which is (in, out). */
typedef struct {
    real *q, *q_bias, *kv, *kv_bias, *out, *out_bias; /* kv: keys' map above values' */
} Attention;
typedef struct {
    real *scale, *shift;
} Norm;
typedef struct {
    real *w1, *b1, *w2, *b2;
} FeedForward;
typedef struct {
    Attention self;
    Norm self_norm;
    Attention cross; /* of the decoder alone */
    Norm cross_norm;
    FeedForward feed_forward;
    Norm last_norm;
} Layer;
typedef struct {
    real *embedded[2], *out;
    Layer layers[]; /* the encoder's, then the decoder's */
} Weights;

/* The symbols of one side of a batch. */
typedef struct {
    long rows, *ids;
    long *starts; /* (examples + 1): where each example's rows begin */
} Symbols;
INLINE long length(const Symbols *side, long example) { return side->starts[example + 1] - side->starts[example]; }

/* Memory that a pass takes, piece by piece; without a base it only counts what would be taken. */
typedef struct {
    char *base;
    size_t used, size;
} Room;
/* Between pieces, under AddressSanitizer: bytes that nothing may touch. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
enum { GAP = 64 };
#else
enum { GAP = 0 };
#define ASAN_UNPOISON_MEMORY_REGION(piece, bytes)
#define ASAN_POISON_MEMORY_REGION(piece, bytes)
#endif
INLINE void *take(Room *room, size_t bytes) {
    char *piece = room->base ? room->base + room->used : 0;
    size_t whole = (bytes + 63) / 64 * 64 + GAP;
    room->used += whole;
    if (!piece) return 0;
    if (room->used > room->size) {
        fprintf(stderr, "a Transformer in C takes more memory than it has counted; the process ends\n");
        abort();
    }
    ASAN_UNPOISON_MEMORY_REGION(piece, bytes);
    ASAN_POISON_MEMORY_REGION(piece + bytes, whole - bytes);
    return piece;
}
INLINE real *take_reals(Room *room, long n) { return take(room, n * sizeof(real)); }

/* ---- Linear maps: y = x W^T + b, W (out, in) ---- */

void linear(const real *x, const real *w, const real *bias, real *y, long rows, long out, long in, Room room);
void linear_backward(const real *dy, const real *x, const real *w, real *dw, real *d_bias, real *dx, long rows,
                     long out, long in);

/* ---- Embedding: x = dropout(scale * table[id] + position) ---- */

void embed(const Symbols *side, const real *table, const real *positions, const real *mask, real scale, real *x,
           long examples, long features);
/* dx is overwritten */
void embed_backward(const Symbols *side, real *dx, const real *mask, real scale, real *d_table, long symbols,
                    long features);

/* ---- Multi-head attention of some rows to others, example by example ---- */

typedef struct {
    const Symbols *asking, *seen;
    const real *x, *source;
    real *q, *kv, *chances, *context;
    long most_places, most_seen; /* of an example: its rows with each of their heads, filled up; the rows they see */
} Attended;
void keep_attended(Attended *kept, const Symbols *asking, const Symbols *seen, long examples, long heads, long features,
                   Room *room);
/* Where `causal`, a row sees those of the seen that stand before it, counted from their ends. */
void attend_heads(Attended *kept, const Attention *w, const real *x, const real *source, real *y, long examples,
                  long heads, long features, int causal, Room room);
/* `d_source` is added to; it may be `dx`'s own place. */
void attend_heads_backward(const Attended *kept, const Attention *w, const Attention *d, const real *dy, real *dx,
                           real *d_source, long examples, long heads, long features, int causal, Room room);

/* ---- y = norm(x + dropout(f)) ---- */

typedef struct {
    real *normed, *rates; /* (rows, features) and (rows) */
} Normed;
void keep_normed(Normed *kept, long rows, long features, Room *room);
void add_and_norm(Normed *kept, const Norm *w, const real *x, const real *f, const real *mask, real *y, long rows,
                  long features);
void add_and_norm_backward(const Normed *kept, const Norm *w, const Norm *d, const real *dy, const real *mask, real *dx,
                           real *df, long rows, long features);

/* ---- Loss and optimisation ---- */

/* Negative log-likelihood of the targets, summed; `logits` become its gradient per example. */
double cross_entropy(real *logits, const long *targets, long rows, long symbols, long examples);
/* How much the gradients of all blocks are to be multiplied by, so that their norm is `clip` at most; 0: any norm. */
real clipping(real *const *gradients, const long *sizes, long blocks, double clip);
/* One step of fairseq's Adam along `factor * gradient`. */
void adam_step(real *w, real *m, real *v, const real *gradient, long n, real factor, real step, real beta1, real beta2,
               real eps);
