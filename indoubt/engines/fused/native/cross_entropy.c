/* Negative log-likelihood of targets under a softmax over symbols. */
#include "functions.h"
#include "transformer.h"

double cross_entropy(real *logits, const long *targets, long rows, long symbols, long examples) {
    double nats = 0;
    for (long r = 0; r < rows; r++, logits += symbols) {
        real largest = logits[0], chosen = logits[targets[r]];
        for (long j = 1; j < symbols; j++) largest = logits[j] > largest ? logits[j] : largest;
        vec total = {0};
        for (long j = 0; j < symbols; j += LANES) {
            long n = symbols - j;
            vec chance = exponential(load(logits + j, n) - largest);
            for (long i = n < LANES ? n : LANES; i < LANES; i++) chance[i] = 0;
            store(logits + j, chance, n);
            total += chance;
        }
        real all = sum(total), share = 1 / (all * examples);
        for (long j = 0; j < symbols; j++) logits[j] *= share;
        logits[targets[r]] -= (real)1 / examples;
        nats += (largest - chosen) + (real)log(all);
    }
    return nats;
}
