/* Attention with split keys: the entries of a query block's list, sorted by level, are cut into parts. A program takes a part of
   a list: it fills a shared tile with pooled rows, of several entries if they are short, and leaves an output that is divided by
   its sum and a log-sum-exp in base 2. A second kernel joins the parts. `mistake` is the number. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TILE 32
#define MOST_LEVELS 16
#define LOG2E 1.4426950408889634f
#define LN2 0.6931471805599453f

typedef struct {
  int batch, heads, kv_heads, lq, lk, d, dv, bm, bn, causal, replicate, parts, mistake;
} Shape;

/* A level of all heads of keys and values. */
typedef struct {
  int rows;
  float *keys, *values;
} Level;

typedef struct {
  int block, number;
} Entry;

/* What a program has in shared memory: pooled rows, the logarithm of their counts, their last positions. */
typedef struct {
  int rows, last[TILE];
  float log[TILE];
  const float *keys[TILE], *values[TILE];
} Tile;

/* The running state of the rows of a query block, then the result of a part. */
typedef struct {
  float *most, *total, *acc;
} State;

static int least(int a, int b) { return a < b ? a : b; }

static int blocks_of(int tokens, int block) { return (tokens + block - 1) / block; }

static int count_of(const Shape *s, int level, int first) {
  if (s->replicate && level > 1) return level;
  return first >= s->lk ? 0 : least(level, s->lk - first);
}

static float *pool(const Shape *s, const float *tokens, int level, int rows, int width) {
  const int owners = s->batch * s->kv_heads;
  float *to = calloc((size_t)owners * rows * width, sizeof(float));
  for (int at = 0; at < owners * rows; at++) {
    const int first = at % rows * level, count = count_of(s, level, first);
    float *row = to + (size_t)at * width;
    for (int i = 0; i < count; i++) {
      const float *from = tokens + ((size_t)(at / rows) * s->lk + least(first + i, s->lk - 1)) * width;
      for (int c = 0; c < width; c++) row[c] += from[c];
    }
    for (int c = 0; c < width; c++) row[c] /= count > 0 ? (float)count : 1;
  }
  return to;
}

/* Sorts the key blocks of a row of levels by level, the finest first; skipped ones are left out. */
static int list_of(const Shape *s, const int32_t *levels, Entry *list) {
  int count = 0;
  for (int number = 0; 1 << number <= s->bn; number++)
    for (int j = 0; j < blocks_of(s->lk, s->bn); j++)
      if (levels[j] == 1 << number) list[count++] = (Entry){j, number};
  return count;
}

/* Adds the rows of a tile to the states of the rows of a query block, and empties it. */
static void add(const Shape *s, Tile *tile, State *state, const float *query, int rows, int first_position) {
  for (int row = 0; row < rows; row++) {
    float score[TILE], now = state->most[row], *acc = state->acc + (size_t)row * s->dv;
    for (int t = 0; t < tile->rows; t++) {
      float sum = 0;
      for (int c = 0; c < s->d; c++) sum += query[(size_t)row * s->d + c] * tile->keys[t][c];
      const int hidden = s->causal && tile->last[t] > first_position + row;
      score[t] = hidden ? -INFINITY : sum + tile->log[s->mistake == 15 ? 0 : t];
      now = fmaxf(now, score[t]);
    }
    if (now == -INFINITY) continue;
    const float alpha = s->mistake == 11 ? 1 : exp2f(state->most[row] - now);
    state->total[row] *= alpha;
    for (int c = 0; c < s->dv; c++) acc[c] *= alpha;
    for (int t = 0; t < tile->rows; t++) {
      const float weight = exp2f(score[t] - now);
      state->total[row] += weight;
      for (int c = 0; c < s->dv; c++) acc[c] += weight * tile->values[t][c];
    }
    state->most[row] = now;
  }
  tile->rows = 0;
}

/* The first kernel: a part of a list, for the rows of a query block. */
static void walk(const Shape *s, const Level *pyramid, int owner, const Entry *list, int entries, State *state,
                 const float *query, int rows, int first_position) {
  Tile tile = {.rows = 0};
  for (int row = 0; row < s->bm; row++) state->most[row] = -INFINITY, state->total[row] = 0;
  memset(state->acc, 0, (size_t)s->bm * s->dv * sizeof(float));
  for (int e = 0; e < entries; e++) {
    const int level = 1 << list[e].number;
    const Level *from = &pyramid[list[e].number];
    for (int i = 0; i < s->bn / level; i++) {
      const int first = list[e].block * s->bn + i * level, count = count_of(s, level, first);
      const size_t at = (size_t)owner * from->rows + first / level;
      if (count == 0) continue;
      tile.keys[tile.rows] = from->keys + at * s->d, tile.values[tile.rows] = from->values + at * s->dv;
      tile.log[tile.rows] = log2f((float)count), tile.last[tile.rows] = first + count - 1;
      if (++tile.rows == TILE) add(s, &tile, state, query, rows, first_position);
    }
  }
  if (tile.rows > 0) add(s, &tile, state, query, rows, first_position);
  for (int row = 0; row < rows; row++) {
    if (state->total[row] == 0) continue;
    for (int c = 0; c < s->dv; c++) state->acc[(size_t)row * s->dv + c] /= state->total[row];
    state->most[row] += log2f(state->total[row]);
  }
}

/* The second kernel: joins the parts of a row. */
static float join(const Shape *s, const State *parts, int row, float *out) {
  float most = -INFINITY, total = 0;
  memset(out, 0, s->dv * sizeof(float));
  for (int n = 0; n < s->parts; n++) most = fmaxf(most, parts[n].most[row]);
  if (most == -INFINITY) return s->mistake == 12 ? INFINITY : -INFINITY;
  for (int n = 0; n < s->parts; n++) total += exp2f(parts[n].most[row] - most);
  for (int n = 0; n < s->parts; n++) {
    const float share = exp2f(parts[n].most[row] - most) / total;
    for (int c = 0; c < s->dv; c++) out[c] += share * parts[n].acc[(size_t)row * s->dv + c];
  }
  return (most + log2f(total)) * LN2;
}

/* Where the lse of a head begins. */
static size_t lse_of(const Shape *s, int pair) {
  const int b = pair / s->heads, h = pair % s->heads, group = s->heads / s->kv_heads;
  const int place = s->mistake == 16 ? h % group * s->kv_heads + h / group : h;
  return (size_t)(b * s->heads + place) * s->lq;
}

void attend(const int32_t *sizes, const float *q, const float *k, const float *v, const int32_t *levels, float *out, float *lse,
            float scale) {
  Shape shape;
  memcpy(&shape, sizes, sizeof shape);
  const Shape *s = &shape;
  const int m = blocks_of(s->lq, s->bm), n = blocks_of(s->lk, s->bn);
  Level pyramid[MOST_LEVELS];
  int made = 0;
  for (; 1 << made <= s->bn; made++) {
    const int rows = n * (s->bn >> made);
    pyramid[made] = (Level){rows, pool(s, k, 1 << made, rows, s->d), pool(s, v, 1 << made, rows, s->dv)};
  }
  State parts[8];
  for (int i = 0; i < s->parts; i++)
    parts[i] = (State){malloc(s->bm * 4), malloc(s->bm * 4), malloc((size_t)s->bm * s->dv * 4)};
  Entry *list = malloc(n * sizeof(Entry));
  float *query = malloc((size_t)s->bm * s->d * sizeof(float));
  for (int program = 0; program < s->batch * s->heads * m; program++) {
    const int pair = program / m, first = program % m * s->bm, rows = least(s->bm, s->lq - first);
    const int owner = pair / s->heads * s->kv_heads + pair % s->heads / (s->heads / s->kv_heads);
    const size_t at = (size_t)pair * s->lq + first;
    for (int c = 0; c < rows * s->d; c++) query[c] = q[at * s->d + c] * scale * LOG2E;
    const int count = list_of(s, levels + (size_t)program * n, list);
    const int each = s->mistake == 10 ? count / s->parts : blocks_of(count, s->parts);
    for (int part = 0; part < s->parts; part++) {
      const int begin = least(part * each, count), end = least(begin + each, count);
      walk(s, pyramid, owner, list + begin, end - begin, &parts[part], query, rows, first + s->lk - s->lq);
    }
    for (int row = 0; row < rows; row++) lse[lse_of(s, pair) + first + row] = join(s, parts, row, out + (at + row) * s->dv);
  }
  for (int i = 0; i < made; i++) free(pyramid[i].keys), free(pyramid[i].values);
  for (int i = 0; i < s->parts; i++) free(parts[i].most), free(parts[i].total), free(parts[i].acc);
  free(list), free(query);
}
