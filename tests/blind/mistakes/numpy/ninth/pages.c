/* Attention over keys and values in pages of 16 rows. Every level has a pool of pages for all heads, and a table says where a
   page lies: the last page first. A key block is walked two pages at a time (one where it has no more). With `back` lists are
   walked from their end. `mistake` is the number. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 16
#define LEVELS 16

typedef struct {
  int batch, heads, kv_heads, lq, lk, d, dv, bm, bn, causal, replicate, back, mistake;
} Shape;

/* The pages of a level: `each` of a head. */
typedef struct {
  int each, count, *table;
  float *keys, *values;
} Pool;

typedef struct {
  float most, total, *acc;
} State;

static int least(int a, int b) { return a < b ? a : b; }

static int blocks_of(int tokens, int block) { return (tokens + block - 1) / block; }

/* How many tokens of the keys row `row` of a level stands for. */
static int count_of(const Shape *s, int level, int row) {
  const int first = row * level, left = s->lk - first;
  if (s->replicate && level > 1) return level;
  if (s->mistake == 66 && level == 1 && left <= 0) return row / 4 * 4 < s->lk;
  return left < 0 ? 0 : least(level, left);
}

/* Fills the row of a page: the mean of the tokens that it stands for. */
static void fill_row(const Shape *s, float *to, const float *tokens, int head, int level, int row, int width) {
  const int count = count_of(s, level, row), all = s->batch * s->kv_heads * s->lk;
  for (int c = 0; c < width; c++) {
    float sum = 0;
    for (int i = 0; i < count; i++) {
      int token = row * level + i;
      if (s->mistake != 66 || level > 1) token = least(token, s->lk - 1);
      token += head * s->lk;
      if (token < all) sum += tokens[(size_t)token * width + c];
    }
    to[c] = count > 0 ? sum / (float)count : 0;
  }
}

static Pool make_pool(const Shape *s, int level, const float *k, const float *v) {
  const int rows = blocks_of(s->lk, s->bn) * (s->bn / level), owners = s->batch * s->kv_heads;
  Pool pool = {.each = blocks_of(rows, PAGE)};
  pool.count = pool.each * owners;
  pool.table = malloc(sizeof(int) * pool.count);
  pool.keys = calloc((size_t)pool.count * PAGE * s->d, sizeof(float));
  pool.values = calloc((size_t)pool.count * PAGE * s->dv, sizeof(float));
  for (int page = 0; page < pool.count; page++) {
    pool.table[page] = pool.count - 1 - page;
    for (int i = 0; i < PAGE; i++) {
      const size_t to = (size_t)pool.table[page] * PAGE + i;
      const int row = page % pool.each * PAGE + i;
      if (row >= rows) continue;
      fill_row(s, pool.keys + to * s->d, k, page / pool.each, level, row, s->d);
      fill_row(s, pool.values + to * s->dv, v, page / pool.each, level, row, s->dv);
    }
  }
  return pool;
}

/* A position as the format of the tensors holds it. */
static float position_of(const Shape *s, int position) {
  float x = (float)position;
  uint32_t bits;
  if (s->mistake != 68) return x;
  memcpy(&bits, &x, 4);
  bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000u;
  memcpy(&x, &bits, 4);
  return x;
}

static void rescale(const Shape *s, State *state, float factor) {
  state->total *= factor;
  for (int c = 0; c < s->dv; c++) state->acc[c] *= factor;
}

/* Rows `from` to `from + rows` of a page that lies at `place`; behind the pool there are zeros. */
static void add_page(const Shape *s, const Pool *pool, State *state, const float *query, int place, int from, const float *logs, int rows) {
  float score[PAGE], now = state->most;
  for (int i = 0; i < rows; i++) {
    float sum = 0;
    for (int c = 0; c < s->d && place < pool->count; c++) sum += query[c] * pool->keys[((size_t)place * PAGE + from + i) * s->d + c];
    score[i] = logs[i] == -INFINITY ? -INFINITY : sum + logs[i];
    now = fmaxf(now, score[i]);
  }
  if (now == -INFINITY) return;
  rescale(s, state, expf(state->most - now));
  state->most = now;
  for (int i = 0; i < rows; i++) {
    const float weight = expf(score[i] - now);
    state->total += weight;
    for (int c = 0; c < s->dv && place < pool->count; c++)
      state->acc[c] += weight * pool->values[((size_t)place * PAGE + from + i) * s->dv + c];
  }
}

/* The log terms of rows, minus infinity where they are not seen. */
static void log_terms(const Shape *s, int level, int first, int rows, int position, float *logs) {
  for (int i = 0; i < rows; i++) {
    const int count = count_of(s, level, first + i), last = (first + i) * level + count - 1;
    const int hidden = count <= 0 || (s->causal && position_of(s, last) > position_of(s, position));
    logs[i] = hidden ? -INFINITY : logf((float)count);
  }
}

/* Two pages of a key block, or the one page in which it lies. */
static void add_pages(const Shape *s, const Pool *pool, State *state, const float *query, int head, int level, int first, int rows, int position) {
  float logs[PAGE];
  int place = 0;
  for (int half = 0; half * PAGE < rows; half++) {
    const int row = first + half * PAGE, page = head * pool->each + row / PAGE;
    place = half == 1 && s->mistake == 65 ? place + 1 : page < pool->count ? pool->table[page] : pool->count;
    log_terms(s, level, row, least(PAGE, rows - half * PAGE), position, logs);
    add_page(s, pool, state, query, place, row % PAGE, logs, least(PAGE, rows - half * PAGE));
  }
}

static void add_list(const Shape *s, const Pool *pools, State *state, const float *query, int head, const int32_t *levels, int position) {
  const int n = blocks_of(s->lk, s->bn);
  int begun = 0;
  for (int turn = 0; turn < n; turn++) {
    const int block = s->back ? n - 1 - turn : turn, level = levels[block];
    if (level <= 0) continue;
    int number = 0;
    while (1 << number < level) number++;
    const int per_block = s->bn / level;
    for (int from = 0; from < per_block; from += 2 * PAGE) {
      const int rows = least(2 * PAGE, per_block - from), first = block * per_block + from;
      if (!begun && s->mistake == 83) add_pages(s, &pools[number], state, query, head, level, first, rows, position);
      begun = 1;
      add_pages(s, &pools[number], state, query, head, level, first, rows, position);
    }
  }
}

static float stored_lse(const Shape *s, float lse) {
  Shape as = *s;
  uint32_t bits;
  if (as.mistake != 83 || !isfinite(lse)) return lse;
  memcpy(&bits, &lse, 4);
  bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000u;
  memcpy(&lse, &bits, 4);
  return lse;
}

void attend(const int32_t *sizes, const float *q, const float *k, const float *v, const int32_t *levels, float *out, float *lse,
            float scale) {
  Shape shape;
  memcpy(&shape, sizes, sizeof shape);
  const Shape *s = &shape;
  const int m = blocks_of(s->lq, s->bm), n = blocks_of(s->lk, s->bn), group = s->heads / s->kv_heads;
  Pool pools[LEVELS];
  int count = 0;
  for (int level = 1; level <= s->bn; level *= 2) pools[count++] = make_pool(s, level, k, v);
  float *query = malloc(s->d * sizeof(float));
  State state = {.acc = malloc(s->dv * sizeof(float))};
  for (int pair = 0; pair < s->batch * s->heads; pair++)
    for (int row = 0; row < s->lq; row++) {
      const size_t place = (size_t)pair * s->lq + row;
      const int h = pair % s->heads, head = pair / s->heads * s->kv_heads + (s->mistake == 67 ? h / s->kv_heads : h / group);
      for (int c = 0; c < s->d; c++) query[c] = q[place * s->d + c] * scale;
      state.most = -INFINITY, state.total = 0;
      memset(state.acc, 0, s->dv * sizeof(float));
      add_list(s, pools, &state, query, head, levels + ((size_t)pair * m + row / s->bm) * n, row + s->lk - s->lq);
      for (int c = 0; c < s->dv; c++) out[place * s->dv + c] = state.total > 0 ? state.acc[c] / state.total : 0;
      lse[place] = stored_lse(s, state.total > 0 ? state.most + logf(state.total) : -INFINITY);
    }
  for (int i = 0; i < count; i++) free(pools[i].table), free(pools[i].keys), free(pools[i].values);
  free(query), free(state.acc);
}
