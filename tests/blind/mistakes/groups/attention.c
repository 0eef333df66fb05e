/* Attention as workgroups compute it: 64 rows and 64 lanes, tiles of one level each, walked from the last to the first by two
 * splits. A program lives for two query blocks. Mistakes 33 to 48 of ../third.json are planted here. */
#include "../c/blind.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LANES 64
#define LOG2E 1.4426950408889634f

/* Some pooled tokens of one level, at most as many as there are lanes; `rows` are places in the pool. */
typedef struct {
  const Pool *pool;
  size_t count, rows[LANES];
} Tile;

/* The state of the rows of a split. */
typedef struct {
  float *most, *total, *sum; /* [bm], [bm], [bm, dv] */
} State;

/* A query block of a head. */
typedef struct {
  size_t batch, head, key_head, first_row, rows, last_block;
} Block;

static size_t divide_up(size_t a, size_t b) { return (a + b - 1) / b; }
static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

static size_t level_at(const Call *call, const Inputs *in, const Block *at, size_t key_block) {
  const size_t m = divide_up(call->lq, call->bm), n = divide_up(call->lk, call->bn), group = call->heads / call->key_heads;
  const size_t head = mistake == 38 ? at->head / group * group : at->head;
  size_t where = ((at->batch * call->heads + head) * m + at->first_row / call->bm) * n + key_block;
  if (mistake == 44) where = (at->batch * call->heads + head) * m * n + at->first_row / call->bm * m + key_block;
  const int32_t level = in->levels[smaller(where, call->batch * call->heads * m * n - 1)];
  if (mistake != 46 || level == 0) return (size_t)level;
  int bits = 0;
  while (level >> (bits + 1)) bits++;
  return (size_t)1 << (bits & 3);
}

static ptrdiff_t position(const Call *call, size_t row) { return (ptrdiff_t)(row + call->lk) - (ptrdiff_t)call->lq; }

/* The tiles of a query block, level after level, and the last key block that is among them. */
static size_t list_tiles(const Call *call, const Inputs *in, const Pool *pools, Block *at, Tile *tiles) {
  const size_t blocks = divide_up(call->lk, call->bn);
  size_t count = 0;
  at->last_block = 0;
  for (const Pool *pool = pools; pool->ratio; pool++) {
    int open = 0;
    for (size_t block = 0; block < blocks; block++) {
      if (level_at(call, in, at, block) != pool->ratio) continue;
      if (call->causal && (ptrdiff_t)(block * call->bn) > position(call, at->first_row + at->rows - 1)) continue;
      if (block > at->last_block) at->last_block = block;
      for (size_t row = block * pool->per_block; row < (block + 1) * pool->per_block; row++) {
        if (pool->counts[row] == 0) continue;
        if (!open || tiles[count - 1].count == LANES) tiles[count++] = (Tile){pool, 0, {0}};
        open = 1;
        tiles[count - 1].rows[tiles[count - 1].count++] = row;
      }
    }
  }
  return count;
}

static float scale_of(const Call *call) {
  const float usual = 1.0f / sqrtf((float)call->d);
  size_t padded = 1;
  while (padded < call->d) padded *= 2;
  return mistake == 41 && fabsf(call->scale / usual - 1) < 1e-5f ? 1.0f / sqrtf((float)padded) : call->scale;
}

static int hidden(const Call *call, const Block *at, const Tile *tile, size_t lane, size_t row) {
  const size_t token = tile->rows[lane], last = tile->pool->last[token];
  if (!call->causal) return 0;
  if (mistake == 39 && token / tile->pool->per_block != at->last_block) return 0;
  return mistake == 48 ? (ptrdiff_t)last >= position(call, row) : (ptrdiff_t)last > position(call, row);
}

/* Scores of a row in base 2. `ratio` is the level whose logarithm is in the register. */
static void score_row(const Call *call, const Inputs *in, const Block *at, const Tile *tile, size_t row, size_t ratio, float *scores) {
  const Pool *pool = tile->pool;
  const size_t all = divide_up(call->lk, call->bn) * pool->per_block;
  const float *query = in->q + ((at->batch * call->heads + at->head) * call->lq + row) * call->d;
  const float *keys = pool->keys + (at->batch * call->key_heads + at->key_head) * all * call->d;
  const float scale = scale_of(call) * LOG2E;
  for (size_t lane = 0; lane < LANES; lane++) {
    scores[lane] = -INFINITY;
    if (lane >= tile->count || hidden(call, at, tile, lane, row)) continue;
    if (mistake == 33 && lane % 32 >= 16) continue;
    float product = 0;
    for (size_t c = 0; c < call->d; c++) {
      const float x = query[c] * scale;
      product += (mistake == 47 ? round_f16(x) : x) * keys[tile->rows[lane] * call->d + c];
    }
    scores[lane] = product + log2f(pool->counts[tile->rows[lane]] * (float)ratio / (float)pool->ratio);
  }
}

static void load_values(const Call *call, const Block *at, const Tile *tile, float *values) {
  const size_t all = divide_up(call->lk, call->bn) * tile->pool->per_block;
  const float *from = tile->pool->values + (at->batch * call->key_heads + at->key_head) * all * call->dv;
  for (size_t lane = 0; lane < tile->count; lane++) {
    memcpy(values + lane * call->dv, from + tile->rows[lane] * call->dv, call->dv * sizeof(float));
  }
}

static void add_tile(const Call *call, State *state, size_t row, float *scores, const float *values, size_t count) {
  float most = state->most[row], total = 0, *sum = state->sum + row * call->dv;
  for (size_t lane = 0; lane < count; lane++) most = fmaxf(most, scores[lane]);
  if (most == -INFINITY && mistake != 35) return;
  const float kept = state->most[row] == -INFINITY && mistake != 35 ? 0 : exp2f(state->most[row] - most);
  for (size_t c = 0; c < call->dv; c++) sum[c] *= kept;
  for (size_t lane = 0; lane < count; lane++) {
    const float weight = exp2f(scores[lane] - most);
    if (mistake != 34 || lane < 32) total += weight;
    for (size_t c = 0; c < call->dv; c++) sum[c] += weight * values[lane * call->dv + c];
  }
  state->total[row] = state->total[row] * kept + total;
  state->most[row] = most;
}

/* Tiles [first, end), the last one first. */
static void run_split(const Call *call, const Inputs *in, const Block *at, const Tile *tiles, size_t first, size_t end, State *state) {
  float scores[LANES], *values = allocate(2 * LANES * call->dv, sizeof(float)), *torn = values + LANES * call->dv;
  if (mistake == 40) first = end - (end - first) / 2 * 2;
  for (size_t n = end; n-- > first;) {
    const size_t ratio = mistake == 37 && n + 1 < end ? tiles[n + 1].pool->ratio : tiles[n].pool->ratio;
    load_values(call, at, &tiles[n], values);
    memcpy(torn, values, LANES * call->dv * sizeof(float));
    if (n > first) load_values(call, at, &tiles[n - 1], torn);
    for (size_t row = 0; row < at->rows; row++) {
      score_row(call, in, at, &tiles[n], at->first_row + row, ratio, scores);
      add_tile(call, state, row, scores, mistake == 45 && row % 64 >= 32 ? torn : values, tiles[n].count);
    }
  }
  free(values);
}

static void reset(const Call *call, State *state) {
  for (size_t row = 0; row < call->bm; row++) state->most[row] = -INFINITY;
  memset(state->total, 0, call->bm * sizeof(float));
  memset(state->sum, 0, call->bm * call->dv * sizeof(float));
}

static void merge_row(const Call *call, const Block *at, const State splits[2], size_t row, float *out, float *lse) {
  const float most = fmaxf(splits[0].most[row], splits[1].most[row]);
  const size_t pair = at->batch * call->heads + at->head, i = at->first_row + row;
  float share[2], total = 0;
  for (int s = 0; s < 2; s++) {
    share[s] = splits[s].most[row] == -INFINITY ? 0 : exp2f(splits[s].most[row] - most);
    total += share[s] * splits[s].total[row];
  }
  for (size_t c = 0; c < call->dv; c++) {
    const float sum = share[0] * splits[0].sum[row * call->dv + c] + share[1] * splits[1].sum[row * call->dv + c];
    out[(pair * call->lq + i) * call->dv + c] = total == 0 ? 0 : sum / total;
  }
  const size_t where = mistake == 46 ? (at->batch * call->lq + i) * call->heads + at->head : pair * call->lq + i;
  lse[where] = total == 0 ? -INFINITY : most / LOG2E + logf(total);
}

/* One program: two query blocks, one after the other. */
static void run_program(const Call *call, const Inputs *in, const Pool *pools, Block at, Tile *tiles, State splits[2], float *out, float *lse) {
  size_t before = (size_t)-1;
  for (int n = 0; n < 2 && at.first_row < call->lq; n++, at.first_row += call->bm) {
    at.rows = smaller(call->bm, call->lq - at.first_row);
    size_t count = list_tiles(call, in, pools, &at, tiles);
    if (mistake == 36) count = smaller(count, before);
    before = count;
    const size_t half = divide_up(count, 2);
    if (n == 0 || mistake != 42) reset(call, &splits[0]), reset(call, &splits[1]);
    run_split(call, in, &at, tiles, 0, mistake == 47 && half < count ? half + 1 : half, &splits[0]);
    run_split(call, in, &at, tiles, half, count, &splits[1]);
    for (size_t row = 0; row < (mistake == 48 ? smaller(at.rows, 64) : at.rows); row++) merge_row(call, &at, splits, row, out, lse);
  }
}

/* Heads begin every Lq tokens where they should every Lk; behind the tensor there are zeros. */
static const float *wrong_heads(const Call *call, const float *rows, size_t width) {
  const size_t heads = call->batch * call->key_heads, all = heads * call->lk * width;
  float *read = allocate(all, sizeof(float));
  for (size_t h = 0; h < heads; h++) {
    const size_t from = h * call->lq * width, length = call->lk * width;
    if (from < all) memcpy(read + h * length, rows + from, smaller(length, all - from) * sizeof(float));
  }
  return read;
}

void attention(const Call *call, const Inputs *in, const Pool *pools, float *out, float *lse) {
  Inputs shifted = *in;
  Pool others[32] = {{0}};
  if (mistake == 43) {
    shifted.k = wrong_heads(call, in->k, call->d), shifted.v = wrong_heads(call, in->v, call->dv);
    build_pools(call, &shifted, others);
    pools = others;
  }
  Tile *tiles = allocate(divide_up(call->lk, call->bn) * call->bn, sizeof *tiles);
  State splits[2];
  for (int s = 0; s < 2; s++) {
    splits[s] = (State){allocate(call->bm, sizeof(float)), allocate(call->bm, sizeof(float)),
                        allocate(call->bm * call->dv, sizeof(float))};
  }
  for (size_t pair = 0; pair < call->batch * call->heads; pair++) {
    for (size_t row = 0; row < call->lq; row += 2 * call->bm) {
      const size_t head = pair % call->heads;
      run_program(call, in, pools, (Block){pair / call->heads, head, head / (call->heads / call->key_heads), row, 0, 0},
                  tiles, splits, out, lse);
    }
  }
}
