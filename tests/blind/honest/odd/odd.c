/* Ways 1 to 4 of computing a row:
 * 1 lazy: scores in base 2; the reference is a whole number, which moves only where the maximum grows by more than 8 above it,
 *   so that rescaling is exact; counts are factors of the weights, and 2^x is a polynomial of degree 7;
 * 2 levels: a state of each level, tokens from the last to the first; states are joined in pairs by the logistic function of
 *   the difference of their log-sum-exps;
 * 3 two passes: the first finds the log-sum-exp, the second adds e^(score - log-sum-exp) times the value and divides by nothing;
 * 4 split: queries are scaled for base 2 and rounded to storage, weights are rounded to storage before the second product, and
 *   eight parts of the list are joined as a tree. */
#include "call.h"

#include <math.h>

/* 2^x: the whole part as a power, the rest, at most a half, as a polynomial. */
static float power_of_two(float x) {
  if (x < -140) return 0;
  const float whole = rintf(x), t = (x - whole) * LN2;
  return ldexpf(1 + t * (1 + t * (0.5f + t * (1 / 6.0f + t * (1 / 24.0f + t * (1 / 120.0f + t * (1 / 720.0f + t / 5040)))))), (int)whole);
}

static void run_lazy(const Call *call, const float *query, const List *list, ptrdiff_t where, State *state) {
  for (size_t t = 0; t < list->count; t++) {
    const float s = score(call, query, list, t, where) * (call->scale * LOG2E);
    if (!(s > -INFINITY) || isnan(s)) continue;
    if (!(s - state->most <= 8)) {
      const float now = ceilf(s);
      if (state->most > -INFINITY) rescale(call, state, power_of_two(state->most - now));
      state->most = now;
    }
    const float weight = (float)list->counts[t] * power_of_two(s - state->most);
    state->total += weight;
    add(call, state, weight, list->values + t * call->dv);
  }
  if (!(state->total > 0)) return;
  state->lse = state->most * LN2 + logf(state->total);
  rescale(call, state, 1 / state->total);
}

static void run_levels(const Call *call, const float *query, const List *list, ptrdiff_t where, State *states) {
  size_t used = 0;
  for (size_t level = 1; level <= call->bn; level *= 2) {
    State *state = &states[used++];
    clear(call, state);
    for (size_t t = list->count; t-- > 0;) {
      if (list->levels[t] != level) continue;
      const float raw = score(call, query, list, t, where);
      if (raw == -INFINITY) continue;
      const float s = raw * call->scale + logf((float)list->counts[t]), now = fmaxf(state->most, s);
      rescale(call, state, expf(state->most - now));
      state->most = now;
      state->total += expf(s - now);
      add(call, state, expf(s - now), list->values + t * call->dv);
    }
    if (!(state->total > 0)) continue;
    state->lse = state->most + logf(state->total);
    rescale(call, state, 1 / state->total);
  }
  for (size_t step = 1; step < used; step *= 2)
    for (size_t n = 0; n + step < used; n += 2 * step) join(call, &states[n], &states[n + step]);
}

static void run_two_passes(const Call *call, const float *query, const List *list, ptrdiff_t where, State *state) {
  for (int pass = 0; pass < 3; pass++) {
    for (size_t t = 0; t < list->count; t++) {
      const float raw = score(call, query, list, t, where);
      if (raw == -INFINITY) continue;
      const float s = raw * call->scale + logf((float)list->counts[t]);
      if (pass == 0) state->most = fmaxf(state->most, s);
      else if (pass == 1) state->total += expf(s - state->most);
      else add(call, state, expf(s - state->lse), list->values + t * call->dv);
    }
    if (pass == 1 && state->total > 0) state->lse = state->most + logf(state->total);
  }
}

/* A tile of a part, online. */
static void run_tile(const Call *call, const float *query, const List *list, ptrdiff_t where, State *state, size_t from, size_t end) {
  float s[TILE], now = state->most;
  for (size_t t = from; t < end; t++) {
    s[t - from] = score(call, query, list, t, where) + log2f((float)list->counts[t]);
    now = fmaxf(now, s[t - from]);
  }
  if (now == -INFINITY) return;
  rescale(call, state, exp2f(state->most - now));
  state->most = now;
  for (size_t t = from; t < end; t++) {
    const float weight = exp2f(s[t - from] - now);
    state->total += weight;
    add(call, state, stored(call, weight), list->values + t * call->dv);
  }
}

static void run_split(const Call *call, const float *query, const List *list, ptrdiff_t where, State *states) {
  for (size_t n = 0; n < PARTS; n++) {
    const size_t first = list->count * n / PARTS, end = list->count * (n + 1) / PARTS;
    clear(call, &states[n]);
    for (size_t from = first; from < end; from += TILE)
      run_tile(call, query, list, where, &states[n], from, from + TILE < end ? from + TILE : end);
    if (!(states[n].total > 0)) continue;
    states[n].lse = states[n].most * LN2 + logf(states[n].total);
    rescale(call, &states[n], 1 / states[n].total);
  }
  for (size_t step = 1; step < PARTS; step *= 2)
    for (size_t n = 0; n + step < PARTS; n += 2 * step) join(call, &states[n], &states[n + step]);
}

void run_odd(const Call *call, const float *query, const List *list, ptrdiff_t where, State *states) {
  if (call->way == 1) run_lazy(call, query, list, where, &states[0]);
  else if (call->way == 2) run_levels(call, query, list, where, states);
  else if (call->way == 3) run_two_passes(call, query, list, where, &states[0]);
  else run_split(call, query, list, where, states);
}
