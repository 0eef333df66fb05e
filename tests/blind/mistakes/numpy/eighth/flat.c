/* Attention over a pyramid and work lists in flat memory. The pyramid holds one level after the other, in each the rows of all
   key heads; the lists of all query blocks lie one behind the other, and `starts` says where each begins. Tiles of 16 pooled
   rows go through an online softmax. With `coarse` lists go from coarse to fine and scores are in base 2. `mistake` is the number. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TILE 16
#define LEVELS 16
#define LOG2E 1.4426950408889634f
#define LN2 0.6931471805599453f

typedef struct {
  int batch, heads, kv_heads, lq, lk, d, dv, bm, bn, causal, replicate, coarse, mistake;
} Shape;

/* The rows of all key heads at all levels; level l begins at row `first[l]` and has `rows[l]` rows for each head. */
typedef struct {
  size_t first[LEVELS], rows[LEVELS], size;
  int levels;
  float *keys, *values;
} Pyramid;

typedef struct {
  int block, level;
} Entry;

typedef struct {
  Entry *entries;
  size_t *starts;
} Lists;

typedef struct {
  float most, total, *acc;
} State;

static int least(int a, int b) { return a < b ? a : b; }

static int blocks_of(int tokens, int block) { return (tokens + block - 1) / block; }

static int level_number(int level) {
  int number = 0;
  while (1 << number < level) number++;
  return number;
}

/* How many tokens row `row` of a key block stands for. */
static int count_of(const Shape *s, int block, int level, int row) {
  if (s->replicate && level > 1) return level;
  const int left = s->lk - block * s->bn - row * level;
  return left < 0 ? 0 : least(level, left);
}

/* The tokens of all heads, padded to whole key blocks. */
static void fill_finest(const Shape *s, float *to, const float *tokens, int width) {
  const int padded = blocks_of(s->lk, s->bn) * s->bn, heads = s->batch * s->kv_heads, all = heads * s->lk;
  for (int head = 0; head < heads; head++)
    for (int t = 0; t < padded; t++) {
      float *row = to + ((size_t)head * padded + t) * width;
      if (t >= s->lk && !s->replicate) continue;
      const int last = s->mistake == 47 ? all - 1 : head * s->lk + s->lk - 1;
      memcpy(row, tokens + (size_t)least(head * s->lk + t, last) * width, width * sizeof(float));
    }
}

/* A level from the next finer one: the mean of two rows, weighted by how many tokens each stands for. */
static void fill_coarser(const Shape *s, const Pyramid *p, float *all, int number, int width) {
  const int level = 1 << number, per_block = s->bn / level, heads = s->batch * s->kv_heads;
  const float *finer = all + p->first[number - 1] * width;
  for (int head = 0; head < heads; head++)
    for (size_t row = 0; row < p->rows[number]; row++) {
      const int block = (int)row / per_block, i = (int)row % per_block;
      const int one = s->mistake == 50 ? i : 2 * i, two = one + 1;
      const float a = s->replicate ? 1 : (float)count_of(s, block, level / 2, one);
      const float b = s->replicate ? 1 : (float)count_of(s, block, level / 2, two);
      const float *from = finer + ((size_t)head * p->rows[number - 1] + (size_t)block * per_block * 2) * width;
      float *to = all + (p->first[number] + head * p->rows[number] + row) * width;
      for (int c = 0; c < width && a > 0; c++)
        to[c] = (a * from[one * width + c] + b * from[two * width + c]) / (a + b);
    }
}

/* A level whose windows are cut over the tokens of all heads, one head behind the other. */
static void fill_across(const Shape *s, const Pyramid *p, float *all, int number, int width, const float *tokens) {
  const int level = 1 << number, per_block = s->bn / level;
  for (int head = 0; head < s->batch * s->kv_heads; head++)
    for (size_t row = 0; row < p->rows[number]; row++) {
      const int count = count_of(s, (int)row / per_block, level, (int)row % per_block);
      const size_t window = (size_t)head * s->lk / level + row;
      float *to = all + (p->first[number] + head * p->rows[number] + row) * width;
      for (int c = 0; c < width && count > 0; c++) {
        float sum = 0;
        for (int t = 0; t < count; t++) sum += tokens[(window * level + t) * width + c];
        to[c] = sum / (float)count;
      }
    }
}

static void fill(const Shape *s, const Pyramid *p, float *all, const float *tokens, int width) {
  fill_finest(s, all, tokens, width);
  for (int number = 1; number < p->levels; number++) {
    if (s->mistake == 46 && !s->replicate) fill_across(s, p, all, number, width, tokens);
    else fill_coarser(s, p, all, number, width);
  }
}

static Pyramid make_pyramid(const Shape *s, const float *k, const float *v) {
  Pyramid p = {.levels = level_number(s->bn) + 1};
  for (int number = 0; number < p.levels; number++) {
    p.first[number] = p.size;
    p.rows[number] = (size_t)blocks_of(s->lk, s->bn) * (s->bn >> number);
    p.size += p.rows[number] * s->batch * s->kv_heads;
  }
  p.keys = calloc(p.size * s->d, sizeof(float)), p.values = calloc(p.size * s->dv, sizeof(float));
  fill(s, &p, p.keys, k, s->d);
  fill(s, &p, p.values, v, s->dv);
  return p;
}

static Lists make_lists(const Shape *s, const int32_t *levels) {
  const int m = blocks_of(s->lq, s->bm), n = blocks_of(s->lk, s->bn), pairs = s->batch * s->heads;
  Lists lists = {malloc(sizeof(Entry) * pairs * m * n + 1), malloc(sizeof(size_t) * (pairs * m + 1))};
  size_t count = 0;
  for (int at = 0; at < pairs * m; at++) {
    lists.starts[at] = count;
    const int batch = at / m / s->heads, from = s->mistake == 45 ? at + batch * s->heads * m : at;
    if (from >= pairs * m) continue;
    for (int turn = 0; turn <= level_number(s->bn); turn++) {
      const int level = 1 << (s->coarse ? level_number(s->bn) - turn : turn);
      for (int block = 0; block < n; block++)
        if (levels[(size_t)from * n + block] == level) lists.entries[count++] = (Entry){block, level};
    }
  }
  lists.starts[pairs * m] = count;
  return lists;
}

static float power(const Shape *s, float x) { return s->coarse ? exp2f(x) : expf(x); }

/* The weight of a row in the logarithm: how many tokens it stands for. */
static float log_term(const Shape *s, Entry e, int count) {
  float tokens = (float)count;
  const int valid = s->lk - e.block * s->bn;
  if (s->mistake == 61 && e.level > 1 && !s->replicate && valid < s->bn) tokens = (float)valid / (float)blocks_of(valid, e.level);
  return s->coarse ? log2f(tokens) : logf(tokens);
}

/* A number of flat memory; 0 behind its end. */
static float at(const float *all, size_t place, size_t size) { return place < size ? all[place] : 0; }

static void add_tile(const Shape *s, const Pyramid *p, State *state, const float *query, size_t first, const float *logs, int rows) {
  float score[TILE], now = state->most;
  const int swapped = s->mistake == 51, key_step = swapped ? s->dv : s->d, value_step = swapped ? s->d : s->dv;
  for (int i = 0; i < rows; i++) {
    score[i] = logs[i];
    if (logs[i] == -INFINITY) continue;
    float sum = 0;
    for (int c = 0; c < s->d; c++) sum += query[c] * at(p->keys, first * s->d + (size_t)i * key_step + c, p->size * s->d);
    score[i] += sum;
    now = fmaxf(now, score[i]);
  }
  if (now == -INFINITY) return;
  const float old = power(s, state->most - now);
  state->total *= old;
  for (int c = 0; c < s->dv; c++) state->acc[c] *= old;
  for (int i = 0; i < rows; i++) {
    const float weight = power(s, score[i] - now);
    state->total += weight;
    for (int c = 0; c < s->dv && weight > 0; c++)
      state->acc[c] += weight * at(p->values, first * s->dv + (size_t)i * value_step + c, p->size * s->dv);
  }
  if (s->mistake != 52 || state->most == -INFINITY) state->most = now;
}

/* An entry of a list for one row; `last` says whether it is the last of its list. */
static void add_entry(const Shape *s, const Pyramid *p, State *state, const float *query, Entry e, int head, int position, int last) {
  const int number = level_number(e.level), per_block = s->bn >> number, cut = s->lk % s->bn;
  const size_t begin = p->first[number] + head * p->rows[number] + (size_t)e.block * per_block;
  for (int from = 0; from < per_block; from += TILE) {
    const int rows = least(TILE, per_block - from);
    float logs[TILE];
    for (int i = 0; i < rows; i++) {
      const int row = from + i;
      int count = count_of(s, e.block, e.level, row);
      if (s->mistake == 48 && cut > 0 && !(s->replicate && e.level > 1)) {
        count = e.level;
        if (last) count = least(count, cut - row * e.level);
      }
      const int ends = e.block * s->bn + row * e.level + count - 1;
      logs[i] = count <= 0 || (s->causal && ends > position) ? -INFINITY : log_term(s, e, count);
    }
    add_tile(s, p, state, query, begin + from, logs, rows);
  }
}

static void store(const Shape *s, const State *state, float *out, float *lse) {
  for (int c = 0; c < s->dv; c++) {
    const int half = (s->dv + 1) / 2, to = s->mistake != 64 ? c : c < half ? 2 * c : 2 * (c - half) + 1;
    out[to] = state->total > 0 ? state->acc[c] / state->total : 0;
  }
  const float most = s->mistake == 61 && !s->coarse ? state->most * LOG2E : s->coarse && s->mistake != 61 ? state->most * LN2 : state->most;
  *lse = state->total > 0 ? most + logf(state->total) : -INFINITY;
}

void attend(const int32_t *sizes, const float *q, const float *k, const float *v, const int32_t *levels, float *out, float *lse,
            float scale) {
  Shape shape;
  memcpy(&shape, sizes, sizeof shape);
  const Shape *s = &shape;
  const int m = blocks_of(s->lq, s->bm), pairs = s->batch * s->heads, group = s->heads / s->kv_heads;
  Pyramid p = make_pyramid(s, k, v);
  Lists lists = make_lists(s, levels);
  float *query = malloc(s->d * sizeof(float));
  State state = {.acc = malloc(s->dv * sizeof(float))};
  const float factor = s->coarse ? scale * LOG2E : scale;
  for (int pair = 0; pair < pairs; pair++)
    for (int row = 0; row < s->lq; row++) {
      const size_t item = (size_t)pair * m + row / s->bm, first = lists.starts[item];
      size_t end = lists.starts[item + 1];
      if (s->mistake == 49 && row / s->bm % 2) end = first + (first - lists.starts[item - 1]);
      if (end > lists.starts[(size_t)pairs * m]) end = lists.starts[(size_t)pairs * m];
      const size_t place = (size_t)pair * s->lq + row;
      for (int c = 0; c < s->d; c++) query[c] = q[place * s->d + c] * factor;
      const int position = (s->mistake == 64 ? row % s->bm : row) + s->lk - s->lq;
      state.most = -INFINITY, state.total = 0;
      memset(state.acc, 0, s->dv * sizeof(float));
      for (size_t n = first; n < end; n++)
        add_entry(s, &p, &state, query, lists.entries[n], pair / group, position, n + 1 == end);
      store(s, &state, out + place * s->dv, lse + place);
    }
  free(p.keys), free(p.values), free(lists.entries), free(lists.starts), free(query), free(state.acc);
}
