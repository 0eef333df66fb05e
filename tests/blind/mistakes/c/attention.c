/* Attention: a program for each query block of a head, which walks over tiles of its pooled tokens in two splits. */
#include "blind.h"
#include <math.h>
#include <string.h>

#define LOG2E 1.4426950408889634f
#define LN2 0.6931471805599453f
#define SLOTS 64
#define LANES 32

/* One pooled token of the list of a program. */
typedef struct {
  const Pool *pool;
  size_t row; /* in the pool */
} Token;

/* The state of the rows of a split. */
typedef struct {
  float *most, *total, *sum, *tile_most; /* [bm], [bm], [bm, dv], [bm] */
} State;

/* Buffers that live as long as the call: tiles of keys are kept for the next program, values are doubled. */
typedef struct {
  float *keys[SLOTS];
  uint64_t tags[SLOTS];
  float *values[2];
  float *scores;
} Tiles;

/* Where a program stands. */
typedef struct {
  size_t batch, head, key_head, first_row, rows;
  const int32_t *level;
} Program;

static size_t key_blocks(const Call *call) { return (call->lk + call->bn - 1) / call->bn; }

/* The levels of a program. */
static const int32_t *levels_of(const Call *call, const Inputs *in, size_t batch, size_t head, size_t block) {
  const size_t row_blocks = (call->lq + call->bm - 1) / call->bm;
  if (mistake == 1) batch = 0;
  if (mistake == 17) head &= ~(size_t)1;
  if (mistake == 27) block &= ~(size_t)1;
  if (mistake == 20) block = block * call->bm / 64 < row_blocks ? block * call->bm / 64 : row_blocks - 1;
  return in->levels + ((batch * call->heads + head) * row_blocks + block) * key_blocks(call);
}

/* Where the query stands among the keys. */
static ptrdiff_t position(const Call *call, size_t row) {
  if (mistake == 2) return (ptrdiff_t)row;
  return (ptrdiff_t)row + (ptrdiff_t)call->lk - (ptrdiff_t)call->lq;
}

/* All tokens of a program, the levels one after the other. */
static size_t list_tokens(const Call *call, const Pool *pools, size_t levels, const Program *at, Token *tokens) {
  const size_t furthest = mistake == 18 ? at->first_row : at->first_row + at->rows - 1;
  const size_t blocks = mistake == 31 ? call->lk / call->bn : key_blocks(call);
  size_t count = 0;
  for (size_t n = 0; n < levels; n++) {
    const size_t per_block = mistake == 25 ? pools[n].per_block / call->tile * call->tile : pools[n].per_block;
    for (size_t block = 0; block < blocks; block++) {
      if (at->level[block] != (int32_t)pools[n].ratio) continue;
      if (call->causal && (ptrdiff_t)(block * call->bn) > position(call, furthest)) continue;
      for (size_t t = 0; t < per_block; t++) {
        const size_t row = block * pools[n].per_block + t;
        if (pools[n].counts[row] > 0) tokens[count++] = (Token){&pools[n], row};
      }
    }
  }
  return count;
}

/* A number for the tokens of a tile. */
static uint64_t tag_of(const Token *tokens, size_t count, size_t head) {
  uint64_t tag = 1469598103934665603u ^ head;
  for (size_t t = 0; t < count; t++) tag = (tag ^ (tokens[t].row * 1024 + tokens[t].pool->ratio)) * 1099511628211u;
  return tag;
}

/* The keys of a tile; they are in place already if the program before had the same tile there. */
static const float *load_keys(const Call *call, const Program *at, Tiles *tiles, const Token *tokens, size_t count, size_t n) {
  const size_t slot = n % SLOTS, all = key_blocks(call);
  const size_t head = at->batch * call->key_heads + at->key_head;
  const uint64_t tag = tag_of(tokens, count, mistake == 9 ? 0 : head);
  if (tiles->tags[slot] == tag) return tiles->keys[slot];
  tiles->tags[slot] = tag;
  for (size_t t = 0; t < count; t++) {
    const Pool *pool = tokens[t].pool;
    memcpy(tiles->keys[slot] + t * call->d, pool->keys + (head * all * pool->per_block + tokens[t].row) * call->d,
           call->d * sizeof(float));
  }
  return tiles->keys[slot];
}

static void load_values(const Call *call, const Program *at, float *values, const Token *tokens, size_t count) {
  const size_t head = at->batch * call->key_heads + at->key_head, all = key_blocks(call);
  for (size_t t = 0; t < count; t++) {
    const Pool *pool = tokens[t].pool;
    memcpy(values + t * call->dv, pool->values + (head * all * pool->per_block + tokens[t].row) * call->dv,
           call->dv * sizeof(float));
  }
}

static float scale_of(const Call *call) {
  const float usual = 1.0f / sqrtf((float)call->d);
  if (mistake == 18) return usual;
  if (mistake == 31 && fabsf(call->scale / usual - 1) < 1e-5f) return 1.0f / sqrtf((float)call->dv);
  return call->scale;
}

/* Scores of a row with a tile, in base 2; what a query may not see is minus infinity. */
static void score_row(const Call *call, const float *query, ptrdiff_t where, const float *keys, const Token *tokens,
                      size_t count, float *scores) {
  const size_t width = mistake == 10 ? call->d / 16 * 16 : call->d;
  const float scale = scale_of(call);
  for (size_t t = 0; t < count; t++) {
    const Pool *pool = tokens[t].pool;
    const float covered = mistake == 17 ? (float)pool->ratio : pool->counts[tokens[t].row];
    float product = 0;
    for (size_t c = 0; c < width; c++) {
      const float key = keys[t * call->d + c];
      product += mistake == 29 ? round_tf32(query[c]) * round_tf32(key) : query[c] * key;
    }
    if (mistake == 3) scores[t] = (product + logf(covered)) * scale * LOG2E;
    else if (mistake == 4) scores[t] = product * scale * LOG2E + logf(covered);
    else scores[t] = product * scale * LOG2E + log2f(covered);
    if (call->causal && (ptrdiff_t)pool->last[tokens[t].row] > where) scores[t] = mistake == 28 ? -1e30f : -INFINITY;
  }
}

static float power(float x) { return mistake == 13 ? quick_exp2(x) : exp2f(x); }

/* The weights of a tile take the place of its scores, and are added to what the row has. */
static void add_tile(const Call *call, State *state, size_t row, float *scores, const float *values, size_t count, int *grown) {
  float tile_most = -INFINITY, *sum = state->sum + row * call->dv;
  for (size_t t = 0; t < count; t++) tile_most = fmaxf(tile_most, scores[t]);
  const float before = state->most[row], most = fmaxf(before, tile_most);
  state->tile_most[row] = tile_most;
  if (most == -INFINITY) return;
  if (row % LANES == 0) *grown = most > before;
  float kept = power(before - most);
  if (before == -INFINITY) kept = 0;
  else if (mistake == 7 && !*grown) kept = 1;
  state->most[row] = most;
  state->total[row] *= kept;
  for (size_t c = 0; c < call->dv; c++) {
    if (mistake == 19 && c >= (call->dv + 1) / 2) break;
    sum[c] *= kept;
  }
  for (size_t t = 0; t < count; t++) {
    float weight = power(scores[t] - most);
    state->total[row] += weight;
    if (mistake == 20) weight = cut_bf16(weight);
    for (size_t c = 0; c < call->dv; c++) sum[c] += weight * values[t * call->dv + c];
  }
  if (mistake == 14) {
    for (size_t c = 0; c < call->dv; c++) sum[c] = round_f16(sum[c]);
  }
}

/* A split: some tiles of the list, the next tile's values being fetched while one is worked on. */
static void run_split(const Call *call, const Inputs *in, const Program *at, const Token *tokens, size_t count, size_t first_tile,
                      Tiles *tiles, State *state) {
  const size_t tile = call->tile, steps = (count + tile - 1) / tile;
  if (count > 0) load_values(call, at, tiles->values[0], tokens, count < tile ? count : tile);
  for (size_t n = 0; n < steps; n++) {
    const size_t here = count - n * tile < tile ? count - n * tile : tile;
    const float *keys = load_keys(call, at, tiles, tokens + n * tile, here, first_tile + n);
    float *values = tiles->values[n & 1];
    if (n + 1 < steps) {
      const size_t left = count - (n + 1) * tile;
      load_values(call, at, tiles->values[(n + 1) & 1], tokens + (n + 1) * tile, left < tile ? left : tile);
    } else if (mistake == 6 && n > 0) {
      values = tiles->values[(n + 1) & 1];
    }
    if (mistake == 26) memset(values + here * call->dv, 0, (tile - here) * call->dv * sizeof(float));
    int grown = 1;
    for (size_t row = 0; row < at->rows; row++) {
      const size_t i = at->first_row + row;
      const float *query = in->q + ((at->batch * call->heads + at->head) * call->lq + i) * call->d;
      score_row(call, query, position(call, i), keys, tokens + n * tile, here, tiles->scores);
      for (size_t t = here; t < tile; t++) tiles->scores[t] = mistake == 26 ? 0 : -INFINITY;
      add_tile(call, state, row, tiles->scores, values, mistake == 26 ? tile : here, &grown);
    }
  }
}

static State new_state(const Call *call) {
  return (State){allocate(call->bm, sizeof(float)), allocate(call->bm, sizeof(float)),
                 allocate(call->bm * call->dv, sizeof(float)), allocate(call->bm, sizeof(float))};
}

static void reset(const Call *call, State *state) {
  for (size_t row = 0; row < call->bm; row++) state->most[row] = state->tile_most[row] = -INFINITY;
  memset(state->total, 0, call->bm * sizeof(float));
  memset(state->sum, 0, call->bm * call->dv * sizeof(float));
}

/* Both splits of a row together, and its log-sum-exp. */
static void merge_row(const Call *call, const State splits[2], size_t row, float *out, float *lse) {
  const float most = fmaxf(splits[0].most[row], splits[1].most[row]);
  float share[2], total = 0;
  for (int s = 0; s < 2; s++) {
    share[s] = splits[s].total[row] > 0 ? exp2f(splits[s].most[row] - most) : 0;
    total += share[s] * splits[s].total[row];
  }
  if (mistake == 8) {
    for (int s = 0; s < 2; s++) share[s] /= splits[s].total[row] > 0 ? splits[s].total[row] : 1;
  }
  const float divisor = mistake == 8 ? share[0] * splits[0].total[row] + share[1] * splits[1].total[row] : total;
  for (size_t c = 0; c < call->dv; c++) {
    const float sum = share[0] * splits[0].sum[row * call->dv + c] + share[1] * splits[1].sum[row * call->dv + c];
    out[mistake == 32 ? c ^ 1 : c] = total > 0 ? sum / divisor : 0;
  }
  const float of_tile = splits[1].tile_most[row] > -INFINITY ? splits[1].tile_most[row] : splits[0].tile_most[row];
  const float base = mistake == 19 && of_tile > -INFINITY ? of_tile : most;
  *lse = total > 0 ? base * LN2 + logf(total) : -INFINITY;
  if (mistake == 16 && total > 0) *lse = base + log2f(total);
}

/* One query block of a head. */
static void run_program(const Call *call, const Inputs *in, const Pool *pools, size_t levels, const Program *at, Token *tokens,
                        Tiles *tiles, State splits[2], float *out, float *lse) {
  const size_t count = list_tokens(call, pools, levels, at, tokens), steps = (count + call->tile - 1) / call->tile;
  const size_t half = (steps + 1) / 2 * call->tile < count ? (steps + 1) / 2 * call->tile : count;
  reset(call, &splits[0]), reset(call, &splits[1]);
  run_split(call, in, at, tokens, half, 0, tiles, &splits[0]);
  run_split(call, in, at, tokens + half, count - half, half / call->tile, tiles, &splits[1]);
  for (size_t row = 0; row < at->rows; row++) {
    const size_t where = (at->batch * call->heads + at->head) * call->lq + at->first_row + row;
    merge_row(call, splits, row, out + where * call->dv, lse + where);
  }
}

void attention(const Call *call, const Inputs *in, const Pool *pools, float *out, float *lse) {
  size_t levels = 1;
  while (pools[levels].ratio) levels++;
  Token *tokens = allocate(key_blocks(call) * call->bn, sizeof *tokens);
  State splits[2] = {new_state(call), new_state(call)};
  Tiles tiles = {.scores = allocate(call->tile, sizeof(float))};
  for (size_t n = 0; n < SLOTS; n++) tiles.keys[n] = allocate(call->tile * call->d, sizeof(float));
  for (size_t n = 0; n < 2; n++) tiles.values[n] = allocate(call->tile * call->dv, sizeof(float));
  for (size_t batch = 0; batch < call->batch; batch++) {
    for (size_t head = 0; head < call->heads; head++) {
      for (size_t block = 0; block * call->bm < call->lq; block++) {
        Program at = {batch, head, head / (call->heads / call->key_heads), block * call->bm, call->bm, NULL};
        if (at.first_row + at.rows > call->lq) {
          if (mistake == 11 && call->lq > call->bm) at.first_row = call->lq - call->bm;
          else at.rows = call->lq - at.first_row;
        }
        at.level = levels_of(call, in, batch, head, block);
        run_program(call, in, pools, levels, &at, tokens, &tiles, splits, out, lse);
      }
    }
  }
}
