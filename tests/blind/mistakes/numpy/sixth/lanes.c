/* Attention as a WGSL or CUDA kernel does it: a workgroup takes a query block, keys go through a shared tile of 16 rows,
   eight lanes share each row of queries, and exchanges between lanes join their partial sums. `mistake` is the number. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TILE 16
#define LANES 8
#define WIDE 16

typedef struct {
  int batch, heads, kv_heads, lq, lk, d, dv, bm, bn, causal, replicate, mistake;
} Shape;

typedef struct {
  float keys[TILE][256], values[TILE][256], logs[TILE];
  int lasts[TILE], rows;
} Shared;

typedef struct {
  float most, total, acc[256];
} Lane;

/* How many real (or repeated) tokens the pooled token at `first` stands for. */
static int count_of(const Shape *s, int first, int level) {
  if (s->replicate && level > 1) return level;
  return first + level <= s->lk ? level : s->lk - first;
}

static float log_of(const Shape *s, int count, int level) {
  if (s->mistake == 8) return 0.69314718f * (31 - __builtin_clz(count));
  if (s->mistake == 21 && level == 2) return 0;
  return logf((float)count);
}

/* The mean of the tokens that a pooled token covers. */
static void pool(float *to, const float *tokens, int channels, int first, int count, int divisor, int lk) {
  for (int c = 0; c < channels; c++) {
    float sum = 0;
    for (int t = 0; t < count; t++) sum += tokens[(size_t)(first + t < lk ? first + t : lk - 1) * channels + c];
    to[c] = sum / (float)divisor;
  }
}

static void load(const Shape *s, Shared *tile, const float *k, const float *v, int block, int level, int from, int rows) {
  tile->rows = rows;
  for (int i = 0; i < rows; i++) {
    int first = block * s->bn + (from + i) * level, count = count_of(s, first, level);
    pool(tile->keys[i], k, s->d, first, count, count, s->lk);
    pool(tile->values[i], v, s->dv, first, count, s->mistake == 5 ? level : count, s->lk);
    tile->logs[i] = log_of(s, count, level);
    tile->lasts[i] = first + count - 1;
  }
}

static float dot(const Shape *s, const float *a, const float *b) {
  float sum = 0;
  int whole = s->mistake == 2 ? s->d / WIDE * WIDE : s->d;
  for (int c = 0; c < whole; c++) sum += a[c] * b[c];
  return sum;
}

static void see(const Shape *s, Lane *lane, const float *query, const Shared *tile, int i, int position, float scale) {
  float score = scale * dot(s, query, tile->keys[i]) + tile->logs[i];
  if (s->causal && tile->lasts[i] > position) {
    if (s->mistake != 21) return;
    score = -1e30f;
  }
  float now = fmaxf(lane->most, score), old = expf(lane->most - now), weight = expf(score - now);
  lane->total = lane->total * old + weight;
  for (int c = 0; c < s->dv; c++) lane->acc[c] = lane->acc[c] * old + weight * tile->values[i][c];
  lane->most = now;
}

/* Joins the lanes of a row: 0 with 4, 1 with 5, ..., then 0 with 2, 1 with 3, then 0 with 1. */
static void join(const Shape *s, Lane *lanes) {
  for (int step = LANES / 2; step > 0; step /= 2)
    for (int i = 0; i < step; i++) {
      Lane *a = &lanes[i], *b = &lanes[i + step];
      float now = fmaxf(a->most, b->most);
      if (now == -INFINITY) continue;
      float wa = expf(a->most - now), wb = expf(b->most - now);
      a->total = a->total * wa + b->total * wb;
      if (s->mistake == 3) wa = wb = 1;
      for (int c = 0; c < s->dv; c++) a->acc[c] = a->acc[c] * wa + b->acc[c] * wb;
      a->most = now;
    }
}

/* Key blocks up to this one may hold something that the query block sees. */
static int end_of(const Shape *s, int m) {
  int blocks = (s->lk + s->bn - 1) / s->bn;
  if (!s->causal) return blocks;
  int row = s->mistake == 6 ? m * s->bm : (m + 1) * s->bm - 1;
  int position = row + s->lk - s->lq;
  if (position < 0) return s->mistake == 21 ? blocks : 0;
  int end = position / s->bn + 1;
  return end < blocks && s->mistake != 21 ? end : blocks;
}

static void walk(const Shape *s, Lane (*rows)[LANES], int count, const float *q, const float *k, const float *v,
                 const int32_t *levels, int m, float scale) {
  static Shared tile;
  memset(&tile, 0, sizeof tile);
  int end = end_of(s, m), blocks = (s->lk + s->bn - 1) / s->bn;
  for (int level = 1; level <= s->bn; level *= 2) {
    int listed = 0;
    for (int j = 0; j < end; j++) {
      if (levels[j] != level) continue;
      if (s->mistake == 4 && listed == (blocks + 1) / 2) continue;
      listed++;
      int length = s->replicate && level > 1 ? s->bn : s->lk - j * s->bn < s->bn ? s->lk - j * s->bn : s->bn;
      int pooled = (length + level - 1) / level;
      for (int from = 0; from < pooled; from += TILE) {
        int some = pooled - from < TILE ? pooled - from : TILE;
        load(s, &tile, k, v, j, level, from, some);
        int loop = s->mistake == 1 ? TILE : some;
        for (int r = 0; r < count; r++)
          for (int i = 0; i < loop; i++)
            see(s, &rows[r][i % LANES], q + (size_t)r * s->d, &tile, i, m * s->bm + r + s->lk - s->lq, scale);
      }
    }
  }
}

void attend(const int32_t *shape, const float *q, const float *k, const float *v, const int32_t *levels, float *out,
            float *lse, float scale) {
  Shape s;
  memcpy(&s, shape, sizeof s);
  int query_blocks = (s.lq + s.bm - 1) / s.bm, blocks = (s.lk + s.bn - 1) / s.bn;
  Lane(*rows)[LANES] = malloc(sizeof(Lane) * LANES * (size_t)s.bm);
  for (int b = 0; b < s.batch; b++)
    for (int h = 0; h < s.heads; h++)
      for (int m = 0; m < query_blocks; m++) {
        int g = h / (s.heads / s.kv_heads), count = s.lq - m * s.bm < s.bm ? s.lq - m * s.bm : s.bm;
        size_t head = (size_t)b * s.heads + h, kv = (size_t)b * s.kv_heads + g, at = head * s.lq + (size_t)m * s.bm;
        for (int r = 0; r < count; r++)
          for (int i = 0; i < LANES; i++) {
            memset(&rows[r][i], 0, sizeof(Lane));
            rows[r][i].most = -INFINITY;
          }
        walk(&s, rows, count, q + at * s.d, k + kv * s.lk * s.d, v + kv * s.lk * s.dv,
             levels + (head * query_blocks + m) * blocks, m, scale);
        for (int r = 0; r < count; r++) {
          float first = rows[r][0].most;
          join(&s, rows[r]);
          Lane *sum = &rows[r][0];
          int seen = sum->total > 0;
          for (int c = 0; c < s.dv; c++) out[(at + r) * s.dv + c] = seen ? sum->acc[c] / sum->total : 0;
          lse[at + r] = seen ? (s.mistake == 7 ? first : sum->most) + logf(sum->total) : -INFINITY;
        }
      }
  free(rows);
}
