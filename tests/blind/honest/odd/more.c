/* Ways 13 to 18 of computing a row; all but 15 and 18 know the maximum before they add anything:
 * 13 compensated: products, the total and the outputs are Kahan's sums;
 * 14 double: scores are float32, weights and sums float64;
 * 15 rounded: scores in base 2, weights are rounded to storage before both the total and the second product, in tiles of 48;
 * 16 norms: weights, in float64, are relative to |q| times the largest |k|, which no score exceeds; a row with less than 1e-280
 *   relative to it is computed again, relative to its maximum;
 * 17 pairs: tokens are taken in steps of a number that is prime to how many there are, and added in pairs, pairs of pairs, ...;
 * 18 scores: scores with their log terms are rounded to storage, and the softmax runs over them from the last to the first. */
#include "call.h"

#include <math.h>
#include <stdlib.h>

/* A sum with what its last additions lost. */
typedef struct {
  float sum, lost;
} Kahan;

static void add_kahan(Kahan *to, float x) {
  const volatile float y = x - to->lost, now = to->sum + y, gained = now - to->sum;
  to->lost = gained - y, to->sum = now;
}

static float log_count(const List *list, size_t t) { return logf((float)list->counts[t]); }

static int is_seen(const Call *call, const List *list, size_t t, ptrdiff_t where) {
  return !call->causal || (ptrdiff_t)list->last[t] <= where;
}

static float kahan_product(const Call *call, const float *a, const float *b) {
  Kahan sum = {0, 0};
  for (size_t c = 0; c < call->d; c++) add_kahan(&sum, a[c] * b[c]);
  return sum.sum;
}

/* The scores of a row, minus infinity where nothing is seen; the largest of them. */
static float scores_of(const Call *call, const float *query, const List *list, ptrdiff_t where, float *scores) {
  float most = -INFINITY;
  for (size_t t = 0; t < list->count; t++) {
    const float *key = list->keys + t * call->d;
    scores[t] = -INFINITY;
    if (!is_seen(call, list, t, where)) continue;
    scores[t] = (call->way == 13 ? kahan_product(call, query, key) : dot(call, query, key)) * call->scale + log_count(list, t);
    most = fmaxf(most, scores[t]);
  }
  return most;
}

static void finish_kahan(const Call *call, const List *list, State *state, float *weights) {
  Kahan total = {0, 0};
  for (size_t t = 0; t < list->count; t++) {
    weights[t] = expf(weights[t] - state->most);
    add_kahan(&total, weights[t]);
  }
  for (size_t c = 0; c < call->dv; c++) {
    Kahan sum = {0, 0};
    for (size_t t = 0; t < list->count; t++) add_kahan(&sum, weights[t] * list->values[t * call->dv + c]);
    state->out[c] = sum.sum / total.sum;
  }
  state->lse = state->most + logf(total.sum);
}

/* Outputs and log-sum-exp in float64, relative to `most`; the total. */
static double finish_double(const Call *call, const List *list, State *state, const float *scores, double most) {
  double total = 0;
  for (size_t t = 0; t < list->count; t++) total += exp(scores[t] - most);
  if (!(total > 1e-280)) return total;
  for (size_t c = 0; c < call->dv; c++) {
    double sum = 0;
    for (size_t t = list->count; t-- > 0;) sum += exp(scores[t] - most) * list->values[t * call->dv + c];
    state->out[c] = (float)(sum / total);
  }
  state->lse = (float)(most + log(total));
  return total;
}

static double norm(const float *x, size_t count) {
  double sum = 0;
  for (size_t c = 0; c < count; c++) sum += (double)x[c] * x[c];
  return sqrt(sum);
}

static void run_norms(const Call *call, const float *query, const List *list, State *state, const float *scores) {
  double largest = 0;
  for (size_t t = 0; t < list->count; t++) largest = fmax(largest, norm(list->keys + t * call->d, call->d));
  const double most = norm(query, call->d) * largest * fabs(call->scale) + log((double)call->bn);
  if (!(finish_double(call, list, state, scores, most) > 1e-280)) finish_double(call, list, state, scores, state->most);
}

static void run_rounded(const Call *call, const float *query, const List *list, ptrdiff_t where, State *state) {
  for (size_t from = 0; from < list->count; from += TILE) {
    float s[TILE], now = state->most;
    const size_t end = from + TILE < list->count ? from + TILE : list->count;
    for (size_t t = from; t < end; t++) {
      s[t - from] = score(call, query, list, t, where);
      if (s[t - from] > -INFINITY) s[t - from] = s[t - from] * (call->scale * LOG2E) + log2f((float)list->counts[t]);
      now = fmaxf(now, s[t - from]);
    }
    if (now == -INFINITY) continue;
    rescale(call, state, exp2f(state->most - now));
    state->most = now;
    for (size_t t = from; t < end; t++) {
      const float weight = stored(call, exp2f(s[t - from] - now));
      state->total += weight;
      add(call, state, weight, list->values + t * call->dv);
    }
  }
  if (!(state->total > 0)) return;
  state->lse = (state->most + log2f(state->total)) * LN2;
  rescale(call, state, 1 / state->total);
}

static size_t divisor(size_t a, size_t b) { return b == 0 ? a : divisor(b, a % b); }

/* The sum of weights[i] times values[i] for the i-th tokens in steps of `step`; without values that of the weights. */
static float pairs_sum(const float *weights, const float *values, size_t width, size_t from, size_t end, size_t step, size_t count) {
  if (end - from == 1) {
    const size_t t = from * step % count;
    return values ? weights[t] * values[t * width] : weights[t];
  }
  const size_t middle = from + (end - from + 1) / 2;
  return pairs_sum(weights, values, width, middle, end, step, count) + pairs_sum(weights, values, width, from, middle, step, count);
}

static void finish_pairs(const Call *call, const List *list, State *state, float *weights) {
  const size_t count = list->count;
  size_t step = count * 5 / 8 + 1;
  while (divisor(step, count) != 1) step++;
  for (size_t t = 0; t < count; t++) weights[t] = expf(weights[t] - state->most);
  const float total = pairs_sum(weights, NULL, 0, 0, count, step, count);
  for (size_t c = 0; c < call->dv; c++)
    state->out[c] = pairs_sum(weights, list->values + c, call->dv, 0, count, step, count) / total;
  state->lse = state->most + logf(total);
}

static void run_scores(const Call *call, const List *list, State *state, float *scores) {
  for (size_t t = 0; t < list->count; t++) scores[t] = stored(call, scores[t]);
  for (size_t t = list->count; t-- > 0;) {
    if (scores[t] == -INFINITY) continue;
    const float now = fmaxf(state->most, scores[t]), weight = expf(scores[t] - now);
    if (now > state->most) rescale(call, state, expf(state->most - now));
    state->most = now, state->total += weight;
    add(call, state, weight, list->values + t * call->dv);
  }
  if (!(state->total > 0)) return;
  state->lse = state->most + logf(state->total);
  rescale(call, state, 1 / state->total);
}

void run_more(const Call *call, const float *query, const List *list, ptrdiff_t where, State *state) {
  if (call->way == 15) {
    run_rounded(call, query, list, where, state);
    return;
  }
  float *scores = allocate(list->count, sizeof(float));
  const float most = scores_of(call, query, list, where, scores);
  if (call->way == 18) run_scores(call, list, state, scores);
  else if (most > -INFINITY) {
    state->most = most;
    if (call->way == 13) finish_kahan(call, list, state, scores);
    else if (call->way == 14) finish_double(call, list, state, scores, most);
    else if (call->way == 16) run_norms(call, query, list, state, scores);
    else finish_pairs(call, list, state, scores);
  }
  free(scores);
}
