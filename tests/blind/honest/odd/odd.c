/* Honest kernels of unusual arithmetic; all compute pyramid attention as it is defined.
 *
 *   odd IN OUT BATCH HEADS KV_HEADS LQ LK D DV BM BN CAUSAL REPLICATE SCALE STORAGE WAY
 *
 * reads IN.q.bin, .k.bin, .v.bin (float32, rounded to the storage format) and .levels.bin, and writes OUT.out.bin (rounded to
 * storage) and OUT.lse.bin. Storage: 0 float32, 1 float16. Ways:
 * 1 lazy: scores in base 2; the reference is a whole number, which moves only where the maximum grows by more than 8 above it,
 *   so that rescaling is exact; counts are factors of the weights, and 2^x is a polynomial of degree 7;
 * 2 levels: a state of each level, tokens from the last to the first; states are joined in pairs by the logistic function of
 *   the difference of their log-sum-exps;
 * 3 two passes: the first finds the log-sum-exp, the second adds e^(score - log-sum-exp) times the value and divides by nothing;
 * 4 split: queries are scaled for base 2 and rounded to storage, weights are rounded to storage before the second product, and
 *   eight parts of the list are joined as a tree. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTS 8
#define TILE 48
#define LOG2E 1.4426950408889634f
#define LN2 0.6931471805599453f

typedef struct {
  size_t batch, heads, kv_heads, lq, lk, d, dv, bm, bn;
  int causal, replicate;
  float scale;
  int storage, way;
} Call;

/* The pooled tokens that a query block sees. */
typedef struct {
  float *keys, *values;
  size_t *counts, *last, *levels, count;
} List;

/* An output and what it is relative to: a maximum and a sum, or, once finished, a log-sum-exp. */
typedef struct {
  float most, total, lse, *out;
} State;

static void fail(const char *what, const char *name) {
  fprintf(stderr, "%s: %s\n", what, name);
  exit(2);
}

static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count + 1, size);
  if (!memory) fail("there is no memory for", "arrays");
  return memory;
}

static void *numbers(const char *stem, const char *name, size_t count) {
  char path[4096];
  snprintf(path, sizeof path, "%s.%s.bin", stem, name);
  FILE *file = fopen(path, "rb");
  void *data = allocate(count, 4);
  if (!file || fread(data, 4, count, file) != count || fgetc(file) != EOF) fail("cannot be read", path);
  fclose(file);
  return data;
}

static void write_numbers(const char *stem, const char *name, const float *data, size_t count) {
  char path[4096];
  snprintf(path, sizeof path, "%s.%s.bin", stem, name);
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(data, 4, count, file) != count || fclose(file)) fail("cannot be written", path);
}

static float to_f16(float x) {
  const float size = fabsf(x);
  uint32_t bits;
  if (size >= 65520.0f || size < 6.103515625e-5f) return copysignf(size >= 65520.0f ? INFINITY : (size + 0.5f) - 0.5f, x);
  memcpy(&bits, &x, 4);
  bits = (bits + 0xFFF + (bits >> 13 & 1)) & ~0x1FFFu;
  memcpy(&x, &bits, 4);
  return x;
}

static float stored(const Call *call, float x) { return call->storage ? to_f16(x) : x; }

/* 2^x: the whole part as a power, the rest, at most a half, as a polynomial. */
static float power_of_two(float x) {
  if (x < -140) return 0;
  const float whole = rintf(x), t = (x - whole) * LN2;
  return ldexpf(1 + t * (1 + t * (0.5f + t * (1 / 6.0f + t * (1 / 24.0f + t * (1 / 120.0f + t * (1 / 720.0f + t / 5040)))))), (int)whole);
}

static void mean(const Call *call, const float *rows, size_t first, size_t count, size_t width, float *result) {
  for (size_t c = 0; c < width; c++) {
    float sum = 0;
    for (size_t n = count; n-- > 0;) sum += rows[(first + n < call->lk ? first + n : call->lk - 1) * width + c];
    result[c] = count == 1 ? sum : stored(call, sum / (float)count);
  }
}

static void make_list(const Call *call, const float *k, const float *v, const int32_t *levels, List *list) {
  const size_t blocks = (call->lk + call->bn - 1) / call->bn;
  list->count = 0;
  for (size_t j = 0; j < blocks; j++)
    for (size_t first = j * call->bn, level = (size_t)levels[j]; level > 0 && first < (j + 1) * call->bn; first += level) {
      const size_t left = first < call->lk ? call->lk - first : 0, n = list->count;
      const size_t count = (call->replicate && level > 1) || left > level ? level : left;
      if (count == 0) continue;
      mean(call, k, first, count, call->d, list->keys + n * call->d);
      mean(call, v, first, count, call->dv, list->values + n * call->dv);
      list->counts[n] = count, list->last[n] = first + count - 1, list->levels[n] = level, list->count++;
    }
}

static float dot(const Call *call, const float *a, const float *b) {
  float sum = 0;
  for (size_t c = call->d; c-- > 0;) sum += a[c] * b[c];
  return sum;
}

/* The score of a token without its log term, or minus infinity where it is not seen. */
static float score(const Call *call, const float *query, const List *list, size_t t, ptrdiff_t where) {
  return call->causal && (ptrdiff_t)list->last[t] > where ? -INFINITY : dot(call, query, list->keys + t * call->d);
}

static void clear(const Call *call, State *state) {
  state->most = -INFINITY, state->total = 0, state->lse = -INFINITY;
  memset(state->out, 0, call->dv * sizeof(float));
}

static void add(const Call *call, State *state, float weight, const float *value) {
  for (size_t c = 0; c < call->dv; c++) state->out[c] += weight * value[c];
}

static void rescale(const Call *call, State *state, float factor) {
  state->total *= factor;
  for (size_t c = 0; c < call->dv; c++) state->out[c] *= factor;
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

/* Two finished states as one: the share of the second is logistic in the difference of the log-sum-exps. */
static void join(const Call *call, State *a, const State *b) {
  if (b->lse == -INFINITY) return;
  const float share = a->lse == -INFINITY ? 1 : 1 / (1 + expf(a->lse - b->lse));
  for (size_t c = 0; c < call->dv; c++) a->out[c] -= share * (a->out[c] - b->out[c]);
  const float more = fmaxf(a->lse, b->lse), less = fminf(a->lse, b->lse);
  a->lse = less == -INFINITY ? more : more + log1pf(expf(less - more));
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

static void run_row(const Call *call, const float *q, const List *list, ptrdiff_t where, float *query, State *states, float *out, float *lse) {
  for (size_t c = 0; c < call->d; c++) query[c] = call->way == 4 ? stored(call, q[c] * (call->scale * LOG2E)) : q[c];
  clear(call, &states[0]);
  if (call->way == 1) run_lazy(call, query, list, where, &states[0]);
  else if (call->way == 2) run_levels(call, query, list, where, states);
  else if (call->way == 3) run_two_passes(call, query, list, where, &states[0]);
  else run_split(call, query, list, where, states);
  for (size_t c = 0; c < call->dv; c++) out[c] = stored(call, states[0].out[c]);
  *lse = states[0].lse;
}

int main(int words, char **word) {
  if (words != 17) fail("odd", "should get 16 words");
  size_t n[17] = {0};
  for (int i = 3; i < words; i++) n[i] = strtoul(word[i], NULL, 10);
  const Call call = {n[3], n[4], n[5], n[6], n[7], n[8], n[9], n[10], n[11], (int)n[12], (int)n[13], strtof(word[14], NULL), (int)n[15], (int)n[16]};
  const size_t blocks = (call.lk + call.bn - 1) / call.bn, row_blocks = (call.lq + call.bm - 1) / call.bm;
  const size_t pairs = call.batch * call.heads, owners = call.batch * call.kv_heads, most = blocks * call.bn;
  const float *q = numbers(word[1], "q", pairs * call.lq * call.d), *k = numbers(word[1], "k", owners * call.lk * call.d);
  const float *v = numbers(word[1], "v", owners * call.lk * call.dv);
  const int32_t *levels = numbers(word[1], "levels", pairs * row_blocks * blocks);
  float *out = allocate(pairs * call.lq * call.dv, 4), *lse = allocate(pairs * call.lq, 4), *query = allocate(call.d, 4);
  List list = {allocate(most * call.d, 4), allocate(most * call.dv, 4), allocate(most, sizeof(size_t)), allocate(most, sizeof(size_t)),
               allocate(most, sizeof(size_t)), 0};
  State states[16];
  for (size_t i = 0; i < 16; i++) states[i].out = allocate(call.dv, 4);
  for (size_t pair = 0; pair < pairs; pair++)
    for (size_t row = 0; row < call.lq; row++) {
      const size_t head = pair / (call.heads / call.kv_heads), at = pair * call.lq + row;
      const float *keys = k + head * call.lk * call.d, *values = v + head * call.lk * call.dv;
      if (row % call.bm == 0) make_list(&call, keys, values, levels + (pair * row_blocks + row / call.bm) * blocks, &list);
      const ptrdiff_t where = (ptrdiff_t)row + (ptrdiff_t)call.lk - (ptrdiff_t)call.lq;
      run_row(&call, q + at * call.d, &list, where, query, states, out + at * call.dv, lse + at);
    }
  write_numbers(word[2], "out", out, pairs * call.lq * call.dv);
  write_numbers(word[2], "lse", lse, pairs * call.lq);
  return 0;
}
