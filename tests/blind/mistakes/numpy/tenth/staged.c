/* Attention with two buffers: while the tile of one list entry is worked on, that of the next is fetched. A list is cut into
   parts, each with its own running state, which are joined by their log-sum-exps. `mistake` is the number. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  int batch, heads, kv_heads, lq, lk, d, dv, bm, bn, causal, replicate, parts, mistake;
} Shape;

typedef struct {
  int block, level;
} Entry;

/* The pooled rows of one entry. */
typedef struct {
  float *keys, *values, *logs;
  int *last, rows;
} Tile;

typedef struct {
  float most, total, *acc;
} State;

static int least(int a, int b) { return a < b ? a : b; }

static int blocks_of(int tokens, int block) { return (tokens + block - 1) / block; }

/* How far a key block is moved towards the beginning. */
static int shift_of(const Shape *s, int block) {
  const int over = (block + 1) * s->bn - s->lk;
  return s->mistake == 88 && over > 0 && s->lk >= s->bn ? over : 0;
}

/* How many tokens a row that begins at `first` stands for. */
static int count_of(const Shape *s, int level, int first) {
  if (s->replicate && level > 1) return level;
  return first >= s->lk ? 0 : least(level, s->lk - first);
}

/* The mean of `count` tokens, of which those behind the end are the last one. */
static void mean(const Shape *s, float *to, const float *tokens, int first, int count, int width) {
  for (int c = 0; c < width; c++) {
    float sum = 0;
    for (int i = 0; i < count; i++) sum += tokens[(size_t)least(first + i, s->lk - 1) * width + c];
    to[c] = count > 0 ? sum / (float)count : 0;
  }
}

/* Fetches the tile of an entry; `before` is the level of the entry that is worked on meanwhile. */
static void fetch(const Shape *s, Tile *tile, Entry entry, int before, const float *k, const float *v) {
  const int level = entry.level, all = blocks_of(s->lk, s->bn) * s->bn / level, shift = shift_of(s, entry.block);
  const int begin = entry.block * (s->bn / (s->mistake == 3 ? before : level));
  tile->rows = s->bn / level;
  for (int i = 0; i < tile->rows; i++) {
    const int first = (entry.block * tile->rows + i) * level - shift, count = count_of(s, level, first);
    const int from = (begin + i) * level - shift, there = begin + i < all ? count_of(s, level, from) : 0;
    mean(s, tile->keys + i * s->d, k, from, there, s->d);
    mean(s, tile->values + i * s->dv, v, from, there, s->dv);
    tile->logs[i] = count > 0 ? logf((float)count) : -INFINITY;
    tile->last[i] = first + count - 1;
  }
}

/* Adds a tile to the state of a row. */
static void work(const Shape *s, const Tile *tile, State *state, const float *query, int position, float *score) {
  float now = state->most;
  for (int i = 0; i < tile->rows; i++) {
    float sum = 0;
    for (int c = 0; c < s->d; c++) sum += query[c] * tile->keys[i * s->d + c];
    score[i] = s->causal && tile->last[i] > position ? -INFINITY : sum + tile->logs[i];
    now = fmaxf(now, score[i]);
  }
  if (now == -INFINITY) return;
  const float old = expf(state->most - now);
  state->total *= old, state->most = now;
  for (int c = 0; c < s->dv; c++) state->acc[c] *= old;
  for (int i = 0; i < tile->rows; i++) {
    const float weight = expf(score[i] - now);
    state->total += weight;
    for (int c = 0; c < s->dv; c++) state->acc[c] += weight * tile->values[i * s->dv + c];
  }
}

/* Joins the parts of a row. */
static void join(const Shape *s, State *const *parts, int row, float *out, float *lse) {
  float most = -INFINITY, total = 0, each[8];
  for (int n = 0; n < s->parts; n++) {
    const State *part = &parts[n][row];
    each[n] = part->total > 0 ? part->most + logf(part->total) : -INFINITY;
    most = fmaxf(most, each[n]);
  }
  for (int c = 0; c < s->dv; c++) out[c] = 0;
  *lse = s->mistake == 3 ? 0 : -INFINITY;
  if (most == -INFINITY) return;
  for (int n = 0; n < s->parts; n++) total += expf(each[n] - most);
  *lse = most + logf(total);
  for (int n = 0; n < s->parts; n++) {
    const State *part = &parts[n][row];
    if (!(part->total > 0)) continue;
    const float share = expf(each[n] - *lse) / (s->mistake == 95 ? 1 : part->total);
    for (int c = 0; c < s->dv; c++) out[c] += share * part->acc[c];
  }
}

static Tile make_tile(const Shape *s) {
  const size_t n = s->bn;
  return (Tile){malloc(n * s->d * 4), malloc(n * s->dv * 4), malloc(n * 4), malloc(n * sizeof(int)), 0};
}

static void run_block(const Shape *s, Tile *tiles, State *const *parts, const Entry *list, int count, const float *q, const float *k,
                      const float *v, int first_position, int rows, float *score) {
  const int each = blocks_of(count, s->parts);
  if (count > 0) fetch(s, &tiles[0], list[0], list[0].level, k, v);
  for (int e = 0; e < count; e++) {
    if (e + 1 < count) fetch(s, &tiles[(e + 1) % 2], list[e + 1], list[e].level, k, v);
    for (int row = 0; row < rows; row++) work(s, &tiles[e % 2], &parts[e / each][row], q + (size_t)row * s->d, first_position + row, score);
  }
}

void attend(const int32_t *sizes, const float *q, const float *k, const float *v, const int32_t *levels, float *out, float *lse,
            float scale) {
  Shape shape;
  memcpy(&shape, sizes, sizeof shape);
  const Shape *s = &shape;
  const int blocks = blocks_of(s->lq, s->bm), n = blocks_of(s->lk, s->bn), group = s->heads / s->kv_heads;
  const int offset = s->mistake == 96 ? s->lq - s->lk : s->lk - s->lq;
  Tile tiles[2] = {make_tile(s), make_tile(s)};
  Entry *list = malloc(n * sizeof(Entry));
  State *parts[8];
  for (int part = 0; part < s->parts; part++) {
    parts[part] = malloc(s->bm * sizeof(State));
    for (int row = 0; row < s->bm; row++) parts[part][row].acc = malloc(s->dv * 4);
  }
  float *query = malloc((size_t)s->bm * s->d * 4), *score = malloc(s->bn * 4);
  for (int program = 0; program < s->batch * s->heads * blocks; program++) {
    const int pair = program / blocks, first = program % blocks * s->bm, rows = least(s->bm, s->lq - first);
    const size_t head = pair / s->heads * s->kv_heads + pair % s->heads / group, at = (size_t)pair * s->lq + first;
    int count = 0;
    for (int j = 0; j < n; j++)
      if (levels[(size_t)program * n + j] > 0) list[count++] = (Entry){j, levels[(size_t)program * n + j]};
    for (int c = 0; c < rows * s->d; c++) query[c] = q[at * s->d + c] * scale;
    for (int part = 0; part < s->parts; part++)
      for (int row = 0; row < rows; row++) {
        parts[part][row].most = -INFINITY, parts[part][row].total = 0;
        memset(parts[part][row].acc, 0, s->dv * 4);
      }
    run_block(s, tiles, parts, list, count, query, k + head * s->lk * s->d, v + head * s->lk * s->dv, first + offset, rows, score);
    for (int row = 0; row < rows; row++) join(s, parts, row, out + (at + row) * s->dv, lse + at + row);
  }
  for (int i = 0; i < 2; i++) free(tiles[i].keys), free(tiles[i].values), free(tiles[i].logs), free(tiles[i].last);
  for (int part = 0; part < s->parts; part++) {
    for (int row = 0; row < s->bm; row++) free(parts[part][row].acc);
    free(parts[part]);
  }
  free(list), free(query), free(score);
}
