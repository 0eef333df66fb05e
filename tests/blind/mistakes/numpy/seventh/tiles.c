/* Attention as a CUDA kernel with asynchronous copies does it: tiles of 8 pooled rows in two buffers, of which one is filled
   while the other is read; channels in chunks of 4, whose places in a row are exchanged so that banks do not collide; rows of
   queries in fragments of 16. The list is cut into two parts, and their normalised outputs are joined. `mistake` is the number. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 8
#define CHANNELS 256
#define FRAGMENT 16
#define LANES 16

typedef struct {
  int batch, heads, kv_heads, lq, lk, d, dv, bm, bn, causal, replicate, tf32, mistake;
} Shape;

/* Rows [from, from + ROWS) of a key block at a level; its keys are copied from block `keys_of`. */
typedef struct {
  int block, keys_of, level, from;
} Step;

typedef struct {
  float keys[ROWS][CHANNELS], values[ROWS][CHANNELS], logs[ROWS];
  int lasts[ROWS], there[ROWS];
} Tile;

typedef struct {
  float most, total, acc[CHANNELS];
} State;

static int least(int a, int b) { return a < b ? a : b; }

/* To 10 bits behind the point, ties to even. */
static float as_tf32(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  bits = (bits + 0xFFF + ((bits >> 13) & 1)) & 0xFFFFE000u;
  memcpy(&x, &bits, 4);
  return x;
}

static int place_of(int chunk, int row, int mask) { return chunk ^ (row & mask); }

/* The mean of the tokens that a row stands for; tokens behind the keys' end are zeros, or the last token is repeated. */
static void pool(const Shape *s, float *to, const float *tokens, int channels, int first, int count) {
  memset(to, 0, CHANNELS * sizeof(float));
  for (int t = first; t < first + count; t++) {
    if (t >= s->lk && !s->replicate) continue;
    const float *from = tokens + (size_t)least(t, s->lk - 1) * channels;
    for (int c = 0; c < channels; c++) to[c] += from[c];
  }
  for (int c = 0; c < channels; c++) to[c] /= (float)count;
}

static void fill(const Shape *s, Tile *tile, const float *k, const float *v, Step step) {
  for (int i = 0; i < ROWS; i++) {
    const int row = step.from + i, first = step.block * s->bn + row * step.level;
    int count = step.level;
    if (!(s->replicate && step.level > 1)) count = least(count, s->lk - first);
    tile->there[i] = row < s->bn / step.level && count > 0;
    if (!tile->there[i]) continue;
    float key[CHANNELS];
    pool(s, key, k, s->d, step.keys_of * s->bn + row * step.level, count);
    for (int c = 0; c < CHANNELS; c++) tile->keys[i][place_of(c / 4, i, 7) * 4 + c % 4] = s->tf32 ? as_tf32(key[c]) : key[c];
    pool(s, tile->values[i], v, s->dv, first, count);
    tile->logs[i] = logf((float)count);
    tile->lasts[i] = first + count - 1;
  }
}

static float dot(const Shape *s, const float *query, const Tile *tile, int row) {
  float lane[4] = {0};
  for (int c = 0; c < s->d; c++) {
    const float a = s->tf32 ? as_tf32(query[c]) : query[c];
    lane[c % 4] += a * tile->keys[row][place_of(c / 4, row, s->mistake == 38 ? 3 : 7) * 4 + c % 4];
  }
  return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

static void add(const Shape *s, State *state, const float *query, const Tile *tile, int position, float scale) {
  float score[ROWS], now = state->most;
  for (int i = 0; i < ROWS; i++) {
    score[i] = -INFINITY;
    if (!tile->there[i] || (s->causal && tile->lasts[i] > position)) continue;
    score[i] = scale * dot(s, query, tile, i) + tile->logs[i];
    now = fmaxf(now, score[i]);
  }
  if (now == -INFINITY) return;
  const float old = expf(state->most - now);
  const int chunks = (s->dv + 3) / 4, idle = (LANES - chunks % LANES) % LANES;
  state->total *= old;
  for (int c = 0; c < s->dv; c++) state->acc[c] *= old;
  for (int i = 0; i < ROWS; i++) {
    const float weight = expf(score[i] - now);
    state->total += weight;
    for (int c = 0; c < s->dv; c++) {
      const int times = s->mistake == 44 && c / 4 == chunks - 1 ? 1 + idle : 1;
      state->acc[c] += (float)times * weight * tile->values[i][c];
    }
  }
  state->most = now;
}

/* All tiles of a query block, level after level. */
static int list_steps(const Shape *s, const int32_t *levels, Step *steps) {
  const int blocks = (s->lk + s->bn - 1) / s->bn;
  int count = 0, before = -1;
  for (int level = 1; level <= s->bn; level *= 2)
    for (int block = 0; block < blocks; block++) {
      if (levels[block] != level) continue;
      for (int from = 0; from < s->bn / level; from += ROWS) {
        const int ahead = s->mistake == 39 && from == 0 && before >= 0; /* the copy was started before the list was read */
        steps[count++] = (Step){block, ahead ? before + 1 : block, level, from};
      }
      before = block;
    }
  return count;
}

/* Tiles [first, end): while one is worked on, the next is copied. */
static void run(const Shape *s, State *states, const float *q, const float *k, const float *v, const Step *steps, int first, int end,
                Tile *tiles, int rows, int position, float scale) {
  for (int i = 0; i < rows; i++) {
    states[i].most = -INFINITY, states[i].total = 0;
    memset(states[i].acc, 0, sizeof states[i].acc);
  }
  if (first < end) fill(s, &tiles[0], k, v, steps[first]);
  for (int n = first; n < end; n++) {
    if (n + 1 < end) fill(s, &tiles[(n + 1 - first) % 2], k, v, steps[n + 1]);
    for (int i = 0; i < rows; i++) add(s, &states[i], q + (size_t)i * s->d, &tiles[(n - first) % 2], position + i, scale);
  }
}

/* The normalised outputs of both parts of a row, joined into a's; gives the row's log-sum-exp. */
static float join(const Shape *s, State *a, const State *b) {
  const float none = s->mistake == 40 ? 0 : -INFINITY;
  const float of_a = a->total > 0 ? a->most + logf(a->total) : none, of_b = b->total > 0 ? b->most + logf(b->total) : none;
  const float more = fmaxf(of_a, of_b), less = fminf(of_a, of_b);
  float share = of_b == -INFINITY ? 0 : 1 / (1 + expf(of_a - of_b)); /* of b */
  if (s->mistake == 41 && more > -INFINITY && less > -INFINITY) share = 1 / (1 + expf(of_b - of_a));
  for (int c = 0; c < s->dv; c++) {
    const float x = a->total > 0 ? a->acc[c] / a->total : 0, y = b->total > 0 ? b->acc[c] / b->total : 0;
    a->acc[c] = x - share * (x - y);
  }
  return less == -INFINITY ? more : more + log1pf(expf(less - more));
}

/* Stores a query block fragment by fragment. */
static void store(const Shape *s, const State *states, const float *sums, int rows, float *out, float *lse) {
  for (int i = 0; i < rows; i++) {
    const int fragment = i / FRAGMENT * FRAGMENT, row = i % FRAGMENT;
    const int to = fragment + (s->mistake == 43 ? row ^ 8 : row);
    const int lse_to = fragment + (s->mistake == 42 ? row % 2 * 8 + row / 2 : row);
    if (to < rows) memcpy(out + (size_t)to * s->dv, states[i].acc, s->dv * sizeof(float));
    if (lse_to < rows) lse[lse_to] = sums[i];
  }
}

void attend(const int32_t *sizes, const float *q, const float *k, const float *v, const int32_t *levels, float *out, float *lse,
            float scale) {
  Shape shape;
  memcpy(&shape, sizes, sizeof shape);
  const Shape *s = &shape;
  const int blocks_q = (s->lq + s->bm - 1) / s->bm, blocks = (s->lk + s->bn - 1) / s->bn, group = s->heads / s->kv_heads;
  State *states = malloc(2 * s->bm * sizeof *states);
  Step *steps = malloc(((size_t)blocks * s->bn + 1) * sizeof *steps);
  Tile *tiles = calloc(2, sizeof *tiles);
  float *sums = malloc(s->bm * sizeof *sums);
  for (int pair = 0; pair < s->batch * s->heads; pair++)
    for (int m = 0; m < blocks_q; m++) {
      const int head = pair / s->heads * s->kv_heads + pair % s->heads / group;
      const int first = m * s->bm, rows = least(s->bm, s->lq - first), position = first + s->lk - s->lq;
      const float *queries = q + ((size_t)pair * s->lq + first) * s->d;
      const float *keys = k + (size_t)head * s->lk * s->d, *values = v + (size_t)head * s->lk * s->dv;
      const int count = list_steps(s, levels + ((size_t)pair * blocks_q + m) * blocks, steps), half = (count + 1) / 2;
      State *a = states, *b = states + s->bm;
      run(s, a, queries, keys, values, steps, 0, half, tiles, rows, position, scale);
      run(s, b, queries, keys, values, steps, half, count, tiles, rows, position, scale);
      for (int i = 0; i < rows; i++) sums[i] = join(s, &a[i], &b[i]);
      const size_t at = (size_t)pair * s->lq + first;
      store(s, a, sums, rows, out + at * s->dv, lse + at);
    }
  free(states), free(steps), free(tiles), free(sums);
}
