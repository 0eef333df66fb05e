/* Ways 11 and 12 of computing a row; both know the largest score before they begin:
 * 11 fixed: products and weighted values are whole numbers of 64 bits, in units of 2^-44 of the largest among them, so that sums
 *   are exact and do not depend on the order;
 * 12 tables: scores in base 2; 2^x is an entry of a table of 64 powers times a polynomial, the reciprocal of the total comes from
 *   Newton's steps and its logarithm from Halley's. */
#include "call.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BITS 44
#define ENTRIES 64

/* A sum of numbers, none larger than `most`, as whole numbers. */
typedef struct {
  int exponent;
  int64_t sum;
} Fixed;

static Fixed fixed_below(float most) {
  Fixed result = {0, 0};
  frexpf(most, &result.exponent);
  return result;
}

static void add_fixed(Fixed *to, float x) { to->sum += llrint(ldexp((double)x, BITS - to->exponent)); }

static float value_of(const Fixed *of) { return (float)ldexp((double)of->sum, of->exponent - BITS); }

static float fixed_product(const Call *call, const float *a, const float *b) {
  float most = 0;
  for (size_t c = 0; c < call->d; c++) most = fmaxf(most, fabsf(a[c] * b[c]));
  Fixed sum = fixed_below(most);
  for (size_t c = 0; c < call->d; c++) add_fixed(&sum, a[c] * b[c]);
  return value_of(&sum);
}

static void finish_fixed(const Call *call, const List *list, State *state, const float *weights) {
  Fixed total = fixed_below(1);
  for (size_t t = 0; t < list->count; t++) add_fixed(&total, weights[t]);
  state->total = value_of(&total);
  if (!(state->total > 0)) return;
  for (size_t c = 0; c < call->dv; c++) {
    const float *values = list->values + c;
    float most = 0;
    for (size_t t = 0; t < list->count; t++) most = fmaxf(most, fabsf(weights[t] * values[t * call->dv]));
    Fixed sum = fixed_below(most);
    for (size_t t = 0; t < list->count; t++) add_fixed(&sum, weights[t] * values[t * call->dv]);
    state->out[c] = value_of(&sum) / state->total;
  }
  state->lse = state->most + logf(state->total);
}

/* 2^x for x that are not positive. */
static float table_power(const float *table, float x) {
  if (x < -140) return 0;
  const float steps = rintf(x * ENTRIES), t = (x - steps / ENTRIES) * LN2;
  const int whole = (int)floorf(steps / ENTRIES), entry = (int)steps - whole * ENTRIES;
  return ldexpf(table[entry] * (1 + t * (1 + t * (0.5f + t / 6))), whole);
}

/* 1 / x, from a guess by the bits of x. */
static float reciprocal(float x) {
  uint32_t bits;
  float y;
  memcpy(&bits, &x, 4);
  bits = 0x7EF311C7u - bits;
  memcpy(&y, &bits, 4);
  for (int step = 0; step < 4; step++) y = y + y * (1 - x * y);
  return y;
}

/* The logarithm in base 2 of x, at least 1. */
static float table_log(const float *table, float x) {
  int exponent;
  const float mantissa = frexpf(x, &exponent);
  float y = 2 * mantissa - 2;
  for (int step = 0; step < 4; step++) {
    const float power = table_power(table, y);
    y += 2 / LN2 * (mantissa - power) / (mantissa + power);
  }
  return (float)exponent + y;
}

static void finish_tables(const Call *call, const List *list, State *state, const float *weights, const float *table) {
  for (size_t t = 0; t < list->count; t++) {
    state->total += weights[t];
    add(call, state, weights[t], list->values + t * call->dv);
  }
  if (!(state->total > 0)) return;
  state->lse = (state->most + table_log(table, state->total)) * LN2;
  rescale(call, state, reciprocal(state->total));
}

void run_fixed(const Call *call, const float *query, const List *list, ptrdiff_t where, State *state) {
  const int tables = call->way == 12;
  float table[ENTRIES], *weights = allocate(list->count, sizeof(float));
  for (int i = 0; i < ENTRIES; i++) table[i] = exp2f((float)i / ENTRIES);
  for (size_t t = 0; t < list->count; t++) {
    const float *key = list->keys + t * call->d, count = (float)list->counts[t];
    const int hidden = call->causal && (ptrdiff_t)list->last[t] > where;
    if (hidden) weights[t] = -INFINITY;
    else weights[t] = tables ? dot(call, query, key) * (call->scale * LOG2E) + log2f(count) : fixed_product(call, query, key) * call->scale + logf(count);
    state->most = fmaxf(state->most, weights[t]);
  }
  for (size_t t = 0; t < list->count; t++) {
    if (weights[t] == -INFINITY) weights[t] = 0;
    else weights[t] = tables ? table_power(table, weights[t] - state->most) : expf(weights[t] - state->most);
  }
  if (tables) finish_tables(call, list, state, weights, table);
  else finish_fixed(call, list, state, weights);
  free(weights);
}
