/* Pyramid attention as honest kernels compute it: only the order of sums and the places of roundings differ.
 *
 *   honest IN OUT HEADS LQ LK D BM BN CAUSAL SCALE STORAGE PRODUCTS WEIGHTS TILE SPLITS REVERSED TREE BASE2
 *
 * reads IN.q.bin, .k.bin, .v.bin (float32, rounded to the storage format) and .levels.bin, and writes OUT.out.bin (rounded
 * to storage) and OUT.lse.bin (float32). Formats: 0 float32, 1 float16, 2 bfloat16, 3 tf32. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  size_t heads, lq, lk, d, bm, bn;
  int causal;
  float scale;
} Call;

/* How it is computed. */
typedef struct {
  int storage, products, weights;
  size_t tile, splits;
  int reversed, tree, base2;
} Ways;

/* The pooled tokens that a query block sees. */
typedef struct {
  float *keys, *values, *logs;
  size_t *last, count;
} List;

/* The state of an online softmax. */
typedef struct {
  float most, total, *sum;
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

/* To the nearest number of which `dropped` low bits are 0, ties to even. */
static float keep_bits(float x, int dropped) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  if ((bits & 0x7f800000u) == 0x7f800000u) return x;
  bits += ((1u << (dropped - 1)) - 1) + (bits >> dropped & 1);
  bits &= ~((1u << dropped) - 1);
  memcpy(&x, &bits, 4);
  return x;
}

static float to_f16(float x) {
  const float size = fabsf(x);
  if (size >= 65520.0f) return copysignf(INFINITY, x);
  if (size < 6.103515625e-5f) return copysignf((size + 0.5f) - 0.5f, x);
  return keep_bits(x, 13);
}

static float rounded(float x, int format) {
  return format == 0 ? x : format == 1 ? to_f16(x) : keep_bits(x, format == 2 ? 16 : 13);
}

/* The sum of products, one after the other or as a tree. */
static float dot(const float *a, const float *b, size_t count, const Ways *ways) {
  if (ways->tree && count > 1) {
    const size_t half = count / 2;
    return dot(a, b, half, ways) + dot(a + half, b + half, count - half, ways);
  }
  float sum = 0;
  for (size_t c = 0; c < count; c++) sum += rounded(a[c], ways->products) * rounded(b[c], ways->products);
  return sum;
}

/* The mean of rows in float32, rounded to storage if there are several. */
static void mean(const float *rows, size_t count, size_t width, int storage, float *result) {
  for (size_t c = 0; c < width; c++) {
    float sum = 0;
    for (size_t n = 0; n < count; n++) sum += rows[n * width + c];
    result[c] = count == 1 ? sum : rounded(sum / (float)count, storage);
  }
}

static void add_token(const Call *call, const float *k, const float *v, size_t first, size_t count, const Ways *ways, List *list) {
  const size_t n = list->count++;
  mean(k + first * call->d, count, call->d, ways->storage, list->keys + n * call->d);
  mean(v + first * call->d, count, call->d, ways->storage, list->values + n * call->d);
  list->logs[n] = ways->base2 ? log2f((float)count) : logf((float)count);
  list->last[n] = first + count - 1;
}

/* The list of a query block, from the first key to the last or the other way round. */
static void make_list(const Call *call, const float *k, const float *v, const int32_t *levels, const Ways *ways, List *list) {
  const size_t blocks = (call->lk + call->bn - 1) / call->bn;
  list->count = 0;
  for (size_t j = 0; j < blocks; j++) {
    const size_t block = ways->reversed ? blocks - 1 - j : j, level = (size_t)levels[block];
    if (level == 0) continue;
    const size_t begin = block * call->bn, end = begin + call->bn < call->lk ? begin + call->bn : call->lk;
    const size_t tokens = (end - begin + level - 1) / level;
    for (size_t t = 0; t < tokens; t++) {
      const size_t first = begin + (ways->reversed ? tokens - 1 - t : t) * level;
      add_token(call, k, v, first, end - first < level ? end - first : level, ways, list);
    }
  }
}

static float power(float x, const Ways *ways) { return ways->base2 ? exp2f(x) : expf(x); }

/* The weighted sum of one channel of a tile, as a tree. */
static float tree_sum(const float *weights, const float *values, size_t count, size_t stride) {
  if (count == 1) return weights[0] * values[0];
  const size_t half = count / 2;
  return tree_sum(weights, values, half, stride) + tree_sum(weights + half, values + half * stride, count - half, stride);
}

/* The weights of a tile in the place of its scores, then the sums. */
static void add_tile(const Call *call, const Ways *ways, float *scores, const float *values, size_t count, State *state) {
  const int narrow = ways->weights ? ways->weights : ways->products;
  float most = state->most, total = 0;
  for (size_t t = 0; t < count; t++) most = fmaxf(most, scores[t]);
  if (most == -INFINITY) return;
  const float kept = state->most == -INFINITY ? 0 : power(state->most - most, ways);
  for (size_t t = 0; t < count; t++) {
    scores[t] = power(scores[t] - most, ways);
    total += scores[t];
    scores[t] = rounded(scores[t], narrow);
  }
  state->most = most;
  state->total = state->total * kept + total;
  for (size_t c = 0; c < call->d; c++) {
    float sum = state->sum[c] * kept;
    if (ways->tree) sum += tree_sum(scores, values + c, count, call->d);
    else for (size_t t = 0; t < count; t++) sum += scores[t] * rounded(values[t * call->d + c], ways->products);
    state->sum[c] = sum;
  }
}

/* One row over a part of the list. */
static void run_part(const Call *call, const Ways *ways, const float *query, ptrdiff_t where, const List *list, size_t first,
                     size_t count, float *scores, State *state) {
  state->most = -INFINITY, state->total = 0;
  memset(state->sum, 0, call->d * sizeof(float));
  for (size_t begin = first; begin < first + count; begin += ways->tile) {
    const size_t left = first + count - begin, here = left < ways->tile ? left : ways->tile;
    for (size_t t = 0; t < here; t++) {
      scores[t] = dot(query, list->keys + (begin + t) * call->d, call->d, ways);
      if (!ways->base2) scores[t] *= call->scale;
      scores[t] += list->logs[begin + t];
      if (call->causal && (ptrdiff_t)list->last[begin + t] > where) scores[t] = -INFINITY;
    }
    add_tile(call, ways, scores, list->values + begin * call->d, here, state);
  }
}

/* The parts together, by their log-sum-exps. */
static void merge(const Call *call, const Ways *ways, const State *parts, float *out, float *lse) {
  float most = -INFINITY, total = 0;
  for (size_t s = 0; s < ways->splits; s++) most = fmaxf(most, parts[s].most);
  for (size_t c = 0; c < call->d; c++) out[c] = 0;
  for (size_t s = 0; s < ways->splits; s++) {
    if (!(parts[s].total > 0)) continue;
    const float share = power(parts[s].most - most, ways);
    total += share * parts[s].total;
    for (size_t c = 0; c < call->d; c++) out[c] += share * parts[s].sum[c];
  }
  for (size_t c = 0; c < call->d; c++) out[c] = total > 0 ? rounded(out[c] / total, ways->storage) : 0;
  *lse = total > 0 ? (ways->base2 ? most * 0.6931471805599453f : most) + logf(total) : -INFINITY;
}

static void run_row(const Call *call, const Ways *ways, const float *q, size_t row, const List *list, float *scores,
                    float *query, State *parts, float *out, float *lse) {
  const float factor = ways->base2 ? call->scale * 1.4426950408889634f : 1.0f;
  const size_t tiles = (list->count + ways->tile - 1) / ways->tile;
  const ptrdiff_t where = (ptrdiff_t)row + (ptrdiff_t)call->lk - (ptrdiff_t)call->lq;
  for (size_t c = 0; c < call->d; c++) query[c] = ways->base2 ? rounded(q[c] * factor, ways->storage) : q[c];
  for (size_t s = 0; s < ways->splits; s++) {
    size_t first = tiles * s / ways->splits * ways->tile, end = tiles * (s + 1) / ways->splits * ways->tile;
    if (end > list->count) end = list->count;
    run_part(call, ways, query, where, list, first, end - first, scores, &parts[s]);
  }
  merge(call, ways, parts, out, lse);
}

int main(int words, char **word) {
  if (words != 19) fail("honest", "should get 18 words");
  size_t n[19] = {0};
  for (int i = 3; i < words; i++) n[i] = strtoul(word[i], NULL, 10);
  const Call call = {n[3], n[4], n[5], n[6], n[7], n[8], (int)n[9], strtof(word[10], NULL)};
  const Ways ways = {(int)n[11], (int)n[12], (int)n[13], n[14], n[15], (int)n[16], (int)n[17], (int)n[18]};
  const size_t blocks = (call.lk + call.bn - 1) / call.bn, row_blocks = (call.lq + call.bm - 1) / call.bm, d = call.d;
  const float *q = numbers(word[1], "q", call.heads * call.lq * d), *k = numbers(word[1], "k", call.heads * call.lk * d);
  const float *v = numbers(word[1], "v", call.heads * call.lk * d);
  const int32_t *levels = numbers(word[1], "levels", call.heads * row_blocks * blocks);
  float *out = allocate(call.heads * call.lq * d, 4), *lse = allocate(call.heads * call.lq, 4);
  float *scores = allocate(ways.tile, 4), *query = allocate(d, 4);
  List list = {allocate(call.lk * d, 4), allocate(call.lk * d, 4), allocate(call.lk, 4), allocate(call.lk, sizeof(size_t)), 0};
  State *parts = allocate(ways.splits, sizeof *parts);
  for (size_t s = 0; s < ways.splits; s++) parts[s].sum = allocate(d, 4);
  for (size_t head = 0; head < call.heads; head++) {
    for (size_t row = 0; row < call.lq; row++) {
      const size_t at = head * call.lq + row;
      const int32_t *level = levels + (head * row_blocks + row / call.bm) * blocks;
      if (row % call.bm == 0) make_list(&call, k + head * call.lk * d, v + head * call.lk * d, level, &ways, &list);
      run_row(&call, &ways, q + at * d, row, &list, scores, query, parts, out + at * d, lse + at);
    }
  }
  write_numbers(word[2], "out", out, call.heads * call.lq * d);
  write_numbers(word[2], "lse", lse, call.heads * call.lq);
  return 0;
}
