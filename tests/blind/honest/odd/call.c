/* Honest kernels of unusual arithmetic; all compute pyramid attention as it is defined.
 *
 *   odd IN OUT BATCH HEADS KV_HEADS LQ LK D DV BM BN CAUSAL REPLICATE SCALE STORAGE WAY
 *
 * reads IN.q.bin, .k.bin, .v.bin (float32, rounded to the storage format) and .levels.bin, and writes OUT.out.bin (rounded to
 * storage) and OUT.lse.bin. Storage: 0 float32, 1 float16, 2 bfloat16. Ways: see odd.c,
 * rare.c, fixed.c and more.c. */
#include "call.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what, const char *name) {
  fprintf(stderr, "%s: %s\n", what, name);
  exit(2);
}

void *allocate(size_t count, size_t size) {
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

float to_f16(float x) {
  const float size = fabsf(x);
  uint32_t bits;
  if (size >= 65520.0f || size < 6.103515625e-5f) return copysignf(size >= 65520.0f ? INFINITY : (size + 0.5f) - 0.5f, x);
  memcpy(&bits, &x, 4);
  bits = (bits + 0xFFF + (bits >> 13 & 1)) & ~0x1FFFu;
  memcpy(&x, &bits, 4);
  return x;
}

static float to_bf16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  if ((bits & 0x7F800000u) == 0x7F800000u) return x;
  bits = (bits + 0x7FFF + (bits >> 16 & 1)) & ~0xFFFFu;
  memcpy(&x, &bits, 4);
  return x;
}

float stored(const Call *call, float x) {
  if (call->storage == 0) return x;
  return call->storage == 1 ? to_f16(x) : to_bf16(x);
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

float dot(const Call *call, const float *a, const float *b) {
  float sum = 0;
  for (size_t c = call->d; c-- > 0;) sum += a[c] * b[c];
  return sum;
}

float score(const Call *call, const float *query, const List *list, size_t t, ptrdiff_t where) {
  return call->causal && (ptrdiff_t)list->last[t] > where ? -INFINITY : dot(call, query, list->keys + t * call->d);
}

void clear(const Call *call, State *state) {
  state->most = -INFINITY, state->total = 0, state->lse = -INFINITY;
  memset(state->out, 0, call->dv * sizeof(float));
}

void add(const Call *call, State *state, float weight, const float *value) {
  for (size_t c = 0; c < call->dv; c++) state->out[c] += weight * value[c];
}

void rescale(const Call *call, State *state, float factor) {
  state->total *= factor;
  for (size_t c = 0; c < call->dv; c++) state->out[c] *= factor;
}

void join(const Call *call, State *a, const State *b) {
  if (b->lse == -INFINITY) return;
  const float share = a->lse == -INFINITY ? 1 : 1 / (1 + expf(a->lse - b->lse));
  for (size_t c = 0; c < call->dv; c++) a->out[c] -= share * (a->out[c] - b->out[c]);
  const float more = fmaxf(a->lse, b->lse), less = fminf(a->lse, b->lse);
  a->lse = less == -INFINITY ? more : more + log1pf(expf(less - more));
}

static void run_row(const Call *call, const float *q, const List *list, ptrdiff_t where, float *query, State *states, float *out, float *lse) {
  for (size_t c = 0; c < call->d; c++) query[c] = call->way == 4 ? stored(call, q[c] * (call->scale * LOG2E)) : q[c];
  clear(call, &states[0]);
  if (call->way <= 4) run_odd(call, query, list, where, states);
  else if (call->way <= 10) run_rare(call, query, list, where, states);
  else if (call->way <= 12) run_fixed(call, query, list, where, &states[0]);
  else run_more(call, query, list, where, &states[0]);
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
  State states[STATES];
  for (size_t i = 0; i < STATES; i++) states[i].out = allocate(call.dv, 4);
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
