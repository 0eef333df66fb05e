/* Attention with a workspace: a program, a query block of a head, copies the pooled rows of an entry into a tile of its own and
   adds them to one of several parts of its list; the parts lie in the workspace and are joined by a second kernel. Scores are in
   base 2. `mistake` is the number. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LEVELS 16
#define LOG2E 1.4426950408889634f
#define LN2 0.6931471805599453f

typedef struct {
  int batch, heads, kv_heads, lq, lk, d, dv, bm, bn, causal, replicate, parts, mistake;
} Shape;

/* The pooled rows of a level, of all heads of keys and values. */
typedef struct {
  int rows;
  float *keys, *values;
} Level;

/* The rows of one entry: what a program has in shared memory. */
typedef struct {
  int rows, masked, *last;
  float *keys, *values, *logs, *score;
} Tile;

/* The running state of a row in one part. */
typedef struct {
  float most, total, *acc;
} State;

static int least(int a, int b) { return a < b ? a : b; }

static int blocks_of(int tokens, int block) { return (tokens + block - 1) / block; }

static float bf16(float x) {
  uint32_t bits;
  if (!isfinite(x)) return x;
  memcpy(&bits, &x, 4);
  bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000u;
  memcpy(&x, &bits, 4);
  return x;
}

/* How many tokens a pooled row stands for that begins at `first`. */
static int count_of(const Shape *s, int level, int first) {
  if (s->replicate && level > 1) return level;
  return first >= s->lk ? 0 : least(level, s->lk - first);
}

static float *pool(const Shape *s, const float *tokens, int level, int rows, int width) {
  const int owners = s->batch * s->kv_heads;
  float *to = calloc((size_t)owners * rows * width, sizeof(float));
  for (int at = 0; at < owners * rows; at++) {
    const int first = at % rows * level, count = count_of(s, level, first);
    for (int i = 0; i < count; i++) {
      const size_t from = (size_t)(at / rows) * s->lk + least(first + i, s->lk - 1);
      for (int c = 0; c < width; c++) to[(size_t)at * width + c] += tokens[from * width + c] / (float)count;
    }
  }
  return to;
}

/* The head of keys and values of a query head, over all batch entries. */
static int owner_of(const Shape *s, int pair) {
  const int b = pair / s->heads, h = pair % s->heads, group = s->heads / s->kv_heads;
  int shift = 0;
  while (2 << shift <= group) shift++;
  return b * s->kv_heads + (s->mistake == 15 ? h >> shift : h / group);
}

/* Copies the rows of an entry. */
static void load(const Shape *s, Tile *tile, const Level *from, int owner, int block, int level, int first_position) {
  const size_t rows = s->bn / level, begin = (size_t)owner * from->rows + block * rows;
  const int width = s->mistake == 17 ? least(s->d, s->dv) : s->dv, there = owner < s->batch * s->kv_heads;
  tile->rows = (int)rows;
  tile->masked = (block + 1) * s->bn > s->lk || (s->causal && (block + 1) * s->bn - 1 > first_position);
  memset(tile->keys, 0, (size_t)s->bn * s->d * sizeof(float));
  if (there) memcpy(tile->keys, from->keys + begin * s->d, rows * s->d * sizeof(float));
  if (there) memcpy(tile->values, from->values + begin * s->dv, rows * width * sizeof(float));
  else memset(tile->values, 0, rows * s->dv * sizeof(float));
  for (int i = 0; i < tile->rows; i++) {
    const int first = block * s->bn + i * level, count = count_of(s, level, first);
    tile->logs[i] = count > 0 ? log2f((float)count) : -INFINITY;
    tile->last[i] = first + count - 1;
  }
}

/* The product of a query and key `t` of a tile. */
static float product(const Shape *s, const Tile *tile, const float *query, int t) {
  float sum = 0;
  for (int c = 0; c < s->d; c++) {
    const int key = s->mistake == 18 ? t / 8 * 8 + c % 8 : t, channel = s->mistake == 18 ? c / 8 * 8 + t % 8 : c;
    if (key < tile->rows) sum += query[c] * tile->keys[key * s->d + channel];
  }
  return sum;
}

/* Adds a tile to the state of a row. */
static void add(const Shape *s, const Tile *tile, State *state, const float *query, int position) {
  float now = state->most;
  for (int t = 0; t < tile->rows; t++) {
    const int hidden = tile->logs[t] == -INFINITY || (s->causal && tile->last[t] > position);
    const float log = s->mistake == 23 && tile->masked ? 0 : tile->logs[t];
    tile->score[t] = hidden ? -INFINITY : product(s, tile, query, t) + log;
    now = fmaxf(now, tile->score[t]);
  }
  if (now == -INFINITY) return;
  const float old = exp2f(state->most - now);
  state->total *= old;
  for (int c = 0; c < s->dv; c++) state->acc[c] *= old;
  for (int t = 0; t < tile->rows; t++) {
    const float weight = exp2f(tile->score[t] - now);
    state->total += weight;
    for (int c = 0; c < s->dv; c++) state->acc[c] += weight * tile->values[t * s->dv + c];
  }
  state->most = s->mistake == 19 ? bf16(now) : now;
}

/* The second kernel: joins the parts of a row. */
static float join(const Shape *s, State *const *parts, int row, float *out) {
  float most = -INFINITY, total = 0;
  for (int n = 0; n < s->parts; n++)
    if (parts[n][row].total > 0) most = fmaxf(most, parts[n][row].most);
  for (int c = 0; c < s->dv; c++) out[c] = 0;
  if (most == -INFINITY) return -INFINITY;
  for (int n = 0; n < s->parts; n++) {
    const State *part = &parts[n][row];
    const float share = part->total > 0 ? exp2f(part->most - most) : 0;
    total += share * part->total;
    for (int c = 0; c < s->dv; c++) out[c] += share * part->acc[c];
  }
  for (int c = 0; c < s->dv; c++) out[c] /= total;
  return (most + log2f(total)) * LN2;
}

static void reset(const Shape *s, State *part) {
  for (int row = 0; row < s->bm; row++) {
    part[row].most = -INFINITY, part[row].total = 0;
    memset(part[row].acc, 0, s->dv * sizeof(float));
  }
}

/* The first kernel: walks the list of a query block. */
static void walk(const Shape *s, Tile *tile, State *const *parts, const Level *pyramid, const int32_t *levels, int owner,
                 const float *query, int rows, int first_position) {
  const int n = blocks_of(s->lk, s->bn);
  int count = 0, entry = 0;
  for (int j = 0; j < n; j++) count += levels[j] > 0;
  const int each = blocks_of(count, s->parts);
  for (int part = 0; part < s->parts; part++)
    if (s->mistake != 16 || part * each < count) reset(s, parts[part]);
  for (int j = 0; j < n; j++) {
    if (levels[j] <= 0) continue;
    int number = 0;
    while (1 << number < levels[j]) number++;
    load(s, tile, &pyramid[number], owner, j, levels[j], first_position);
    for (int row = 0; row < rows; row++) add(s, tile, &parts[entry / each][row], query + (size_t)row * s->d, first_position + row);
    entry++;
  }
}

static Tile make_tile(const Shape *s) {
  const size_t n = s->bn;
  return (Tile){.last = malloc(n * sizeof(int)), .keys = calloc(n * s->d, 4), .values = calloc(n * s->dv, 4),
                .logs = malloc(n * 4), .score = malloc(n * 4)};
}

void attend(const int32_t *sizes, const float *q, const float *k, const float *v, const int32_t *levels, float *out, float *lse,
            float scale) {
  Shape shape;
  memcpy(&shape, sizes, sizeof shape);
  const Shape *s = &shape;
  const int m = blocks_of(s->lq, s->bm), n = blocks_of(s->lk, s->bn);
  Level pyramid[LEVELS];
  int made = 0;
  for (int level = 1; level <= s->bn; level *= 2, made++) {
    const int rows = n * (s->bn / level);
    pyramid[made] = (Level){rows, pool(s, k, level, rows, s->d), pool(s, v, level, rows, s->dv)};
  }
  Tile tile = make_tile(s);
  State *parts[8];
  for (int part = 0; part < s->parts; part++) {
    parts[part] = malloc(s->bm * sizeof(State));
    for (int row = 0; row < s->bm; row++) parts[part][row].acc = malloc(s->dv * sizeof(float));
    reset(s, parts[part]);
  }
  float *query = malloc((size_t)s->bm * s->d * sizeof(float)), *own = malloc(s->bm * sizeof(float));
  for (int program = 0; program < s->batch * s->heads * m; program++) {
    const int pair = program / m, first = program % m * s->bm, rows = least(s->bm, s->lq - first);
    const size_t at = (size_t)pair * s->lq + first;
    for (int c = 0; c < rows * s->d; c++) query[c] = q[at * s->d + c] * scale * LOG2E;
    walk(s, &tile, parts, pyramid, levels + (size_t)program * n, owner_of(s, pair), query, rows, first + s->lk - s->lq);
    for (int row = 0; row < rows; row++) own[row] = join(s, parts, row, out + (at + row) * s->dv);
    for (int row = 0; row < rows; row++) lse[at + row] = own[s->mistake == 23 && row % 16 >= 8 ? row - 8 : row];
  }
  for (int i = 0; i < made; i++) free(pyramid[i].keys), free(pyramid[i].values);
  for (int part = 0; part < s->parts; part++) {
    for (int row = 0; row < s->bm; row++) free(parts[part][row].acc);
    free(parts[part]);
  }
  free(tile.keys), free(tile.values), free(tile.logs), free(tile.score), free(tile.last), free(query), free(own);
}
