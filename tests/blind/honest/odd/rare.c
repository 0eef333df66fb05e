/* Ways 5 to 10 of computing a row:
 * 5 smoothed: the keys of the list lose their mean, and the log-sum-exp gets its product with the query back;
 * 6 counter: every token is a state of its own, and states of equally many tokens are joined, as a binary counter carries;
 * 7 running mean: the output is the mean so far, which moves towards each value by the share of its weight; nothing is divided
 *   at the end;
 * 8 first: weights are relative to the first score that is seen, which moves only where a score is larger by 60 or more;
 * 9 rotated: eight channels at a time of queries and keys are rotated by a Hadamard matrix, and products run in eight lanes of
 *   fused steps, which are added as a tree;
 * 10 sorted: weights are 256 times as large, rounded to storage before the second product, and added from the smallest on. */
#include "call.h"

#include <math.h>
#include <stdlib.h>

#define LANES 8
#define FAR 60.0f
#define LARGER 256.0f

static float log_count(const List *list, size_t t) { return logf((float)list->counts[t]); }

static int is_seen(const Call *call, const List *list, size_t t, ptrdiff_t where) {
  return !call->causal || (ptrdiff_t)list->last[t] <= where;
}

/* Divides a state's output by its total; `most` is what weights are relative to. */
static void finish(const Call *call, State *state) {
  if (!(state->total > 0)) return;
  state->lse = state->most + logf(state->total);
  rescale(call, state, 1 / state->total);
}

static void add_online(const Call *call, State *state, float s, const float *value) {
  if (!(s <= state->most)) {
    rescale(call, state, expf(state->most - s));
    state->most = s;
  }
  const float weight = expf(s - state->most);
  state->total += weight;
  add(call, state, weight, value);
}

static void run_smoothed(const Call *call, const float *query, const List *list, ptrdiff_t where, State *state, float *mean, float *key) {
  for (size_t c = 0; c < call->d; c++) {
    float sum = 0;
    for (size_t t = 0; t < list->count; t++) sum += list->keys[t * call->d + c];
    mean[c] = list->count > 0 ? sum / (float)list->count : 0;
  }
  for (size_t t = 0; t < list->count; t++) {
    if (!is_seen(call, list, t, where)) continue;
    for (size_t c = 0; c < call->d; c++) key[c] = list->keys[t * call->d + c] - mean[c];
    add_online(call, state, dot(call, query, key) * call->scale + log_count(list, t), list->values + t * call->dv);
  }
  finish(call, state);
  state->lse += dot(call, query, mean) * call->scale;
}

/* State n, where it is used, stands for 2^n tokens; the last of `states` is the token that comes. */
static void run_counter(const Call *call, const float *query, const List *list, ptrdiff_t where, State *states) {
  size_t seen = 0;
  State *next = &states[STATES - 1];
  for (size_t t = 0; t < list->count; t++) {
    const float raw = score(call, query, list, t, where);
    if (raw == -INFINITY) continue;
    clear(call, next);
    next->lse = raw * call->scale + log_count(list, t);
    add(call, next, 1, list->values + t * call->dv);
    size_t n = 0;
    for (; seen >> n & 1; n++) {
      join(call, next, &states[n]);
      clear(call, &states[n]);
    }
    const State empty = states[n];
    states[n] = *next, *next = empty;
    seen++;
  }
  for (size_t n = 1; seen >> n; n++) {
    if (seen >> n & 1) join(call, &states[n], &states[0]);
    else continue;
    const State all = states[n];
    states[n] = states[0], states[0] = all;
  }
}

static void run_mean(const Call *call, const float *query, const List *list, ptrdiff_t where, State *state) {
  for (size_t t = 0; t < list->count; t++) {
    const float raw = score(call, query, list, t, where);
    if (raw == -INFINITY) continue;
    const float s = raw * call->scale + log_count(list, t), now = fmaxf(s, state->most);
    state->total = state->total * expf(state->most - now) + expf(s - now);
    state->most = now;
    const float share = expf(s - now) / state->total;
    for (size_t c = 0; c < call->dv; c++) state->out[c] += share * (list->values[t * call->dv + c] - state->out[c]);
  }
  if (state->total > 0) state->lse = state->most + logf(state->total);
}

static void run_first(const Call *call, const float *query, const List *list, ptrdiff_t where, State *state) {
  for (size_t t = 0; t < list->count; t++) {
    const float raw = score(call, query, list, t, where);
    if (raw == -INFINITY) continue;
    const float s = raw * call->scale + log_count(list, t);
    if (!(s - state->most < FAR)) {
      if (state->most > -INFINITY) rescale(call, state, expf(state->most - s));
      state->most = s;
    }
    const float weight = expf(s - state->most);
    state->total += weight;
    add(call, state, weight, list->values + t * call->dv);
  }
  finish(call, state);
}

/* Eight channels at a time times a Hadamard matrix, whose square is 8; what is left of a width stays as it is. */
static void rotate(const Call *call, const float *from, float *to) {
  for (size_t c = 0; c < call->d; c++) to[c] = from[c];
  for (size_t first = 0; first + LANES <= call->d; first += LANES)
    for (size_t step = 1; step < LANES; step *= 2)
      for (size_t i = 0; i < LANES; i++) {
        if (i & step) continue;
        const float a = to[first + i], b = to[first + i + step];
        to[first + i] = a + b, to[first + i + step] = a - b;
      }
}

static float rotated_product(const Call *call, const float *a, const float *b) {
  float lanes[LANES] = {0};
  const size_t whole = call->d / LANES * LANES;
  for (size_t c = 0; c < whole; c++) lanes[c % LANES] = fmaf(a[c], b[c], lanes[c % LANES]);
  for (size_t step = LANES / 2; step > 0; step /= 2)
    for (size_t i = 0; i < step; i++) lanes[i] += lanes[i + step];
  float sum = lanes[0] / LANES;
  for (size_t c = whole; c < call->d; c++) sum = fmaf(a[c], b[c], sum);
  return sum;
}

static void run_rotated(const Call *call, const float *query, const List *list, ptrdiff_t where, State *state, float *turned, float *key) {
  rotate(call, query, turned);
  for (size_t t = 0; t < list->count; t++) {
    if (!is_seen(call, list, t, where)) continue;
    rotate(call, list->keys + t * call->d, key);
    add_online(call, state, rotated_product(call, turned, key) * call->scale + log_count(list, t), list->values + t * call->dv);
  }
  finish(call, state);
}

typedef struct {
  float score;
  size_t token;
} Seen;

static int ascending(const void *a, const void *b) {
  const float x = ((const Seen *)a)->score, y = ((const Seen *)b)->score;
  return (x > y) - (x < y);
}

static void run_sorted(const Call *call, const float *query, const List *list, ptrdiff_t where, State *state) {
  Seen *seen = allocate(list->count, sizeof(Seen));
  size_t count = 0;
  for (size_t t = 0; t < list->count; t++) {
    const float raw = score(call, query, list, t, where);
    if (raw > -INFINITY) seen[count++] = (Seen){raw * call->scale + log_count(list, t), t};
  }
  qsort(seen, count, sizeof(Seen), ascending);
  for (size_t i = 0; i < count; i++) {
    const float weight = LARGER * expf(seen[i].score - seen[count - 1].score);
    state->total += weight;
    add(call, state, stored(call, weight), list->values + seen[i].token * call->dv);
  }
  if (count > 0) state->most = seen[count - 1].score;
  finish(call, state);
  state->lse -= logf(LARGER);
  free(seen);
}

void run_rare(const Call *call, const float *query, const List *list, ptrdiff_t where, State *states) {
  float *one = allocate(call->d, sizeof(float)), *two = allocate(call->d, sizeof(float));
  for (size_t n = 1; n < STATES; n++) clear(call, &states[n]);
  if (call->way == 5) run_smoothed(call, query, list, where, &states[0], one, two);
  else if (call->way == 6) run_counter(call, query, list, where, states);
  else if (call->way == 7) run_mean(call, query, list, where, &states[0]);
  else if (call->way == 8) run_first(call, query, list, where, &states[0]);
  else if (call->way == 9) run_rotated(call, query, list, where, &states[0], one, two);
  else run_sorted(call, query, list, where, &states[0]);
  free(one), free(two);
}
