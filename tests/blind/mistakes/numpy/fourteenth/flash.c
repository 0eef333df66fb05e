/* Attention with a running maximum, as in FlashAttention: a query block of a head after the other, pooled tokens of a key block
   in tiles of 32, averaged when they are read. `mistake` is the number, 9 to 14; 0 is right. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TILE 32
#define WIDEST 256
#define HEAD_DIM 64

typedef struct {
  int batch, heads, kv_heads, lq, lk, d, dv, bm, bn, causal, replicate, mistake;
} Shape;

/* Where a head's tensors are. */
typedef struct {
  const Shape *s;
  const float *q, *k, *v;
  const int32_t *levels;
  float *out, *lse;
  float scale;
  size_t behind; /* values from `v` to the end of their tensor */
} Head;

/* Pooled tokens that are read at once; `last` is the last place that each covers. */
typedef struct {
  int rows, last[TILE];
  float key[TILE][WIDEST], value[TILE][WIDEST], bias[TILE];
} Tile;

/* The running softmax of a row. */
typedef struct {
  float most, total, sum[WIDEST];
} Row;

static int least(int a, int b) { return a < b ? a : b; }

/* A channel of a value. */
static float value_at(const Head *h, int token, int c) {
  const Shape *s = h->s;
  if (s->mistake != 11) return h->v[(size_t)token * s->dv + c];
  size_t at = (size_t)token * s->d + c;
  return at < h->behind ? h->v[at] : 0.0f;
}

/* Adds one pooled token to a tile: the mean of `count` tokens from `first` on, of which those behind the end are copies. */
static void pool(const Head *h, Tile *tile, int first, int count) {
  const Shape *s = h->s;
  int n = tile->rows++;
  memset(tile->key[n], 0, sizeof tile->key[n]);
  memset(tile->value[n], 0, sizeof tile->value[n]);
  for (int i = 0; i < count; i++) {
    int token = least(first + i, s->lk - 1);
    for (int c = 0; c < s->d; c++) tile->key[n][c] += h->k[(size_t)token * s->d + c] / (float)count;
    for (int c = 0; c < s->dv; c++) tile->value[n][c] += value_at(h, token, c) / (float)count;
  }
  if (s->mistake == 13)
    for (int c = 0; c < s->dv; c++) tile->value[n][c] = value_at(h, least(first, s->lk - 1), c);
  tile->bias[n] = logf((float)count);
  tile->last[n] = first + count - 1;
}

/* Takes a tile into the running softmax of query `i`. */
static void take(const Head *h, const Tile *tile, int i, Row *row) {
  const Shape *s = h->s;
  int channels = s->mistake == 12 ? least(s->d, HEAD_DIM) : s->d, position = i + s->lk - s->lq;
  float score[TILE], most = row->most;
  if (s->mistake == 9) position = i;
  for (int t = 0; t < tile->rows; t++) {
    float dot = 0.0f;
    for (int c = 0; c < channels; c++) dot += h->q[(size_t)i * s->d + c] * tile->key[t][c];
    score[t] = h->scale * dot + tile->bias[t];
    int hidden = s->mistake == 14 ? tile->last[t] >= position : tile->last[t] > position;
    if (s->causal && hidden) score[t] = -INFINITY;
    most = fmaxf(most, score[t]);
  }
  if (most == -INFINITY) return;
  float before = expf(row->most - most);
  row->total *= before;
  if (s->mistake != 10)
    for (int c = 0; c < s->dv; c++) row->sum[c] *= before;
  for (int t = 0; t < tile->rows; t++) {
    float weight = expf(score[t] - most);
    row->total += weight;
    for (int c = 0; c < s->dv; c++) row->sum[c] += weight * tile->value[t][c];
  }
  row->most = most;
}

/* Reads key block j at level r for the rows from `begin` to `end`. */
static void read_block(const Head *h, int j, int r, int begin, int end, Row *rows, Tile *tile) {
  const Shape *s = h->s;
  for (int start = 0; start < s->bn; start += TILE * r) {
    tile->rows = 0;
    for (int t = start; t < least(start + TILE * r, s->bn); t += r) {
      int first = j * s->bn + t, count = s->replicate && r > 1 ? r : least(r, s->lk - first);
      if (count > 0) pool(h, tile, first, count);
    }
    if (tile->rows == 0) continue;
    for (int i = begin; i < end; i++) take(h, tile, i, &rows[i - begin]);
  }
}

/* Divides, and writes out and lse. */
static void write_row(const Head *h, int i, const Row *row) {
  const Shape *s = h->s;
  int channels = s->mistake == 12 ? least(s->dv, HEAD_DIM) : s->dv;
  for (int c = 0; c < channels; c++) h->out[(size_t)i * s->dv + c] = row->total > 0.0f ? row->sum[c] / row->total : 0.0f;
  float most = s->mistake == 14 ? 0.0f : row->most;
  h->lse[i] = row->total > 0.0f ? most + logf(row->total) : -INFINITY;
}

static void attend_head(const Head *h, Row *rows, Tile *tile) {
  const Shape *s = h->s;
  int blocks = (s->lk + s->bn - 1) / s->bn;
  for (int begin = 0, m = 0; begin < s->lq; begin += s->bm, m++) {
    int end = least(begin + s->bm, s->lq);
    for (int i = 0; i < end - begin; i++) {
      memset(&rows[i], 0, sizeof rows[i]);
      rows[i].most = -INFINITY;
    }
    for (int j = 0; j < blocks; j++) {
      int r = h->levels[m * blocks + j];
      if (r > 0) read_block(h, j, r, begin, end, rows, tile);
    }
    for (int i = begin; i < end; i++) write_row(h, i, &rows[i - begin]);
  }
}

/* All heads; `sizes` are those of Shape. */
void attend(const int32_t *sizes, const float *q, const float *k, const float *v, const int32_t *levels, float *out,
            float *lse, float scale) {
  Shape s;
  memcpy(&s, sizes, sizeof s);
  size_t per_head = (size_t)((s.lq + s.bm - 1) / s.bm) * (size_t)((s.lk + s.bn - 1) / s.bn);
  size_t values = (size_t)s.batch * s.kv_heads * s.lk * s.dv;
  Row *rows = malloc(sizeof(Row) * (size_t)s.bm);
  Tile *tile = malloc(sizeof(Tile));
  for (int n = 0; n < s.batch * s.heads; n++) {
    size_t key_head = (size_t)(n / s.heads * s.kv_heads + n % s.heads / (s.heads / s.kv_heads)) * (size_t)s.lk;
    /* 11: the address of a value is that of a key */
    size_t value_head = key_head * (size_t)(s.mistake == 11 ? s.d : s.dv), first = (size_t)n * (size_t)s.lq;
    Head h = {&s, q + first * s.d, k + key_head * s.d, v + value_head, levels + (size_t)n * per_head,
              out + first * s.dv, lse + first, scale, values - value_head};
    attend_head(&h, rows, tile);
  }
  free(rows);
  free(tile);
}
