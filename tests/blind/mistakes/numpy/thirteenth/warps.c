/* Attention as in CUDA: a group of threads has a query block of a head, a warp 16 of its rows. Tiles of up to 32 pooled rows of a
   key block come through two buffers; the output is made 32 channels at a time, each in a pass over the tiles. Keys and values
   are brought to the range of an 8-bit format, head by head, without being rounded. `mistake` is the number. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TILE 32
#define WARP 16
#define PASS 32
#define WIDEST 256
#define LARGEST 448.0f
#define LOG2E 1.4426950408889634f
#define LN2 0.6931471805599453f

typedef struct {
  int batch, heads, kv_heads, lq, lk, d, dv, bm, bn, causal, replicate, mistake;
} Shape;

/* Tensors of a call, and what is the same for all query blocks of a head. */
typedef struct {
  const Shape *s;
  const float *q, *k, *v; /* of the head */
  const int32_t *levels;
  float *out, *lse;
  float scale, key_unit, value_unit;
} Head;

/* Pooled rows: `first` is the first token of the first one. */
typedef struct {
  int rows, level, first;
} Tile;

/* Shared memory for a tile; weights of a warp may lie where the keys are. */
typedef struct {
  float keys[TILE * WIDEST], values[TILE * PASS];
} Buffer;

typedef struct {
  float most, total, acc[PASS];
} Row;

static int least(int a, int b) { return a < b ? a : b; }

static int blocks_of(int tokens, int block) { return (tokens + block - 1) / block; }

static int count_of(const Shape *s, int level, int first) {
  if (s->replicate && level > 1) return level;
  return first >= s->lk ? 0 : least(level, s->lk - first);
}

static float largest(const float *x, int numbers) {
  float most = 0;
  for (int i = 0; i < numbers; i++) most = fmaxf(most, fabsf(x[i]));
  return most > 0 ? most : 1;
}

/* The tiles of a query block, key block after key block; returns how many. */
static int tiles_of(const Shape *s, const int32_t *levels, int last_position, Tile *tiles) {
  int count = 0;
  for (int j = 0; j < blocks_of(s->lk, s->bn); j++) {
    if (levels[j] == 0 || (s->causal && j * s->bn > last_position)) continue;
    const int all = s->bn / levels[j];
    for (int row = 0; row < all; row += TILE)
      tiles[count++] = (Tile){least(TILE, all - row), levels[j], j * s->bn + row * levels[j]};
  }
  return count;
}

/* Copies the pooled rows of a tile, and the channels of a pass; rows behind the last are 0. */
static void load(const Head *head, const Tile *tile, int channel, Buffer *to) {
  const Shape *s = head->s;
  memset(to, 0, sizeof *to);
  for (int t = 0; t < tile->rows; t++) {
    const int first = tile->first + t * tile->level, count = count_of(s, tile->level, first);
    if (count == 0) continue;
    float *key = to->keys + t * s->d, *value = to->values + t * PASS;
    for (int i = 0; i < count; i++) {
      const size_t token = least(first + i, s->lk - 1);
      for (int c = 0; c < s->d; c++) key[c] += head->k[token * s->d + c] / head->key_unit;
      for (int c = channel; c < least(channel + PASS, s->dv); c++)
        value[c - channel] += head->v[token * s->dv + c] / head->value_unit;
    }
    for (int c = 0; c < s->d; c++) key[c] /= (float)count;
    for (int c = 0; c < PASS; c++) value[c] /= (float)count;
  }
}

/* The row of a tile whose value a weight belongs to. */
static int value_row(const Shape *s, int t) {
  if (s->mistake != 12) return t;
  const int i = t % 16;
  return t - i + i % 8 / 2 * 4 + i / 8 * 2 + i % 2;
}

/* Adds a tile to the rows of a warp, which begin at `begin` in the query block. */
static void add(const Head *head, const Tile *tile, Buffer *buffer, const float *query, int first, int begin, int rows, Row *state) {
  const Shape *s = head->s;
  const float unit = s->mistake == 14 ? head->value_unit : head->key_unit;
  float weights[WARP][TILE] = {{0}};
  for (int i = begin; i < least(begin + WARP, rows); i++) {
    float score[TILE], now = state[i].most;
    for (int t = 0; t < tile->rows; t++) {
      const int own = tile->first + t * tile->level, count = count_of(s, tile->level, own);
      float sum = 0;
      for (int c = 0; c < s->d; c++) sum += query[(size_t)i * s->d + c] * buffer->keys[t * s->d + c];
      const int hidden = count == 0 || (s->causal && own + count - 1 > first + i + s->lk - s->lq);
      score[t] = hidden ? -INFINITY : sum * head->scale * unit * LOG2E + log2f((float)count);
      now = fmaxf(now, score[t]);
    }
    if (now == -INFINITY) continue;
    const float old = exp2f(state[i].most - now);
    state[i].total *= old, state[i].most = now;
    for (int c = 0; c < PASS; c++) state[i].acc[c] *= old;
    for (int t = 0; t < tile->rows; t++) {
      const float weight = weights[i - begin][t] = exp2f(score[t] - now);
      state[i].total += weight;
      for (int c = 0; c < PASS; c++) state[i].acc[c] += weight * buffer->values[value_row(s, t) * PASS + c];
    }
  }
  if (s->mistake == 10 && (begin + WARP) * TILE <= TILE * WIDEST)
    memcpy(buffer->keys + begin * TILE, weights, sizeof weights);
}

/* Where a channel of a row of the query block is stored: chunks of 4 channels. */
static int place(const Shape *s, int row, int c) {
  return s->mistake == 20 && row % 2 == 1 && (c ^ 4) < s->dv ? c ^ 4 : c;
}

static void store(const Head *head, const Row *state, int first, int rows, int channel) {
  const Shape *s = head->s;
  const float unit = s->mistake == 14 ? head->key_unit : head->value_unit;
  for (int i = 0; i < rows; i++) {
    const float total = state[i].total;
    for (int c = channel; c < least(channel + PASS, s->dv); c++)
      head->out[(size_t)(first + i) * s->dv + place(s, i, c)] = total > 0 ? state[i].acc[c - channel] / total * unit : 0;
    head->lse[first + i] = total > 0 ? (state[i].most + log2f(total)) * LN2 : -INFINITY;
  }
}

/* A query block. */
static void work(const Head *head, int m, Tile *tiles, Row *state, Buffer *buffers) {
  const Shape *s = head->s;
  const int first = m * s->bm, rows = least(s->bm, s->lq - first);
  const int count = tiles_of(s, head->levels + (size_t)m * blocks_of(s->lk, s->bn), first + rows - 1 + s->lk - s->lq, tiles);
  for (int channel = 0; channel < s->dv; channel += PASS) {
    for (int i = 0; i < rows; i++) {
      if (channel == 0 || s->mistake != 11) state[i].most = -INFINITY, state[i].total = 0;
      memset(state[i].acc, 0, sizeof state[i].acc);
    }
    for (int t = 0; t < least(2, count); t++) load(head, &tiles[t], channel, &buffers[t]);
    for (int t = 0; t < count; t++) {
      Buffer *buffer = &buffers[t % 2];
      if (s->mistake == 9 && t + 2 < count) load(head, &tiles[t + 2], channel, buffer);
      for (int begin = 0; begin < rows; begin += WARP)
        add(head, &tiles[t], buffer, head->q + (size_t)first * s->d, first, begin, rows, state);
      if (s->mistake != 9 && t + 2 < count) load(head, &tiles[t + 2], channel, buffer);
    }
    store(head, state, first, rows, channel);
  }
}

void attend(const int32_t *sizes, const float *q, const float *k, const float *v, const int32_t *levels, float *out, float *lse,
            float scale) {
  Shape shape;
  memcpy(&shape, sizes, sizeof shape);
  const Shape *s = &shape;
  const int m = blocks_of(s->lq, s->bm), n = blocks_of(s->lk, s->bn), group = s->heads / s->kv_heads;
  int slots = group;
  if (s->mistake == 20) for (slots = 1; slots < group;) slots *= 2;
  Tile *tiles = malloc((size_t)n * s->bn * sizeof(Tile));
  Row *state = malloc((size_t)s->bm * sizeof(Row));
  Buffer *buffers = malloc(2 * sizeof(Buffer));
  for (int owner = 0; owner < s->batch * s->kv_heads; owner++) {
    Head head = {.s = s, .scale = scale, .k = k + (size_t)owner * s->lk * s->d, .v = v + (size_t)owner * s->lk * s->dv};
    head.key_unit = largest(head.k, s->lk * s->d) / LARGEST, head.value_unit = largest(head.v, s->lk * s->dv) / LARGEST;
    for (int i = 0; i < group; i++) {
      const int own = owner % s->kv_heads * slots + i;
      if (own >= s->heads) continue;
      const size_t pair = (size_t)(owner / s->kv_heads) * s->heads + own;
      head.q = q + pair * s->lq * s->d, head.levels = levels + pair * m * n;
      head.out = out + pair * s->lq * s->dv, head.lse = lse + pair * s->lq;
      /* A short and a long query block at a time, as causal calls want it. */
      for (int p = 0; p < (s->mistake == 13 ? m / 2 : (m + 1) / 2); p++) {
        work(&head, p, tiles, state, buffers);
        if (m - 1 - p != p) work(&head, m - 1 - p, tiles, state, buffers);
      }
    }
  }
  free(tiles), free(state), free(buffers);
}
