/* Pyramid attention as one program a query block: a list of key blocks sorted by level, tiles of 32 pooled rows in a
 * buffer, online softmax a tile. f32 throughout. `bug` is 0 for the right kernel; see statements.json for the others. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TILE 32
#define LANES 8
#define WIDTH 256

typedef struct {
  int batch, heads, key_heads, lq, lk, d, dv, bm, bn, causal, replicate;
  float scale;
} Call;

typedef struct {
  float key[TILE][WIDTH], value[TILE][WIDTH], bias[TILE];
  int last[TILE];
} Shared;

enum { START = 1, NO_STORE_MASK = 2, WAVE = 3 };

/* Sum over channels, as 8 lanes of vec4 and a butterfly. */
static float dot(const float *a, const float *b, int d) {
  float lane[LANES] = {0}, other[LANES];
  for (int c = 0; c < d; c++) lane[c / 4 % LANES] += a[c] * b[c];
  for (int step = LANES / 2; step >= 1; step /= 2) {
    for (int i = 0; i < LANES; i++) other[i] = lane[i ^ step];
    for (int i = 0; i < LANES; i++) lane[i] += other[i];
  }
  return lane[0];
}

/* Mean of the tokens [first, first + count), the last token repeated behind the end. */
static void pool(float *mean, const float *rows, int first, int count, int lk, int width) {
  for (int c = 0; c < width; c++) {
    float sum = 0;
    for (int t = first; t < first + count; t++) sum += rows[(size_t)(t < lk ? t : lk - 1) * width + c];
    mean[c] = sum / (float)count;
  }
}

static void program(const Call *c, const float *q, const float *k, const float *v, const int32_t *level, int rows, int position,
                    float *out, float *lse, int bug) {
  const int blocks = (c->lk + c->bn - 1) / c->bn;
  Shared *shared = calloc(1, sizeof *shared);
  float *sum = calloc((size_t)rows * c->dv, sizeof *sum), *most = malloc(rows * sizeof *most), *total = calloc(rows, sizeof *total);
  for (int i = 0; i < rows; i++) most[i] = bug == START ? 0 : -INFINITY, total[i] = bug == START;
  for (int ratio = 1; ratio <= c->bn; ratio *= 2)
    for (int block = 0; block < blocks; block++) {
      if (level[block] != ratio) continue;
      for (int start = 0; start < c->bn / ratio; start += TILE) {
        int filled = 0;
        for (int i = 0; i < TILE; i++) {
          const int first = block * c->bn + (start + i) * ratio, ends = (block + 1) * c->bn;
          int count = ratio, there = first < ends;
          if (!c->replicate || ratio == 1) {
            if (first + count > c->lk) count = c->lk - first;
            if (count <= 0) there = 0;
          }
          if (!there) {
            shared->bias[i] = -INFINITY, shared->last[i] = 0;
            memset(shared->key[i], 0, c->d * sizeof(float));
            memset(shared->value[i], 0, c->dv * sizeof(float));
            continue;
          }
          filled++;
          shared->last[i] = first + count - 1;
          pool(shared->key[i], k, first, count, c->lk, c->d);
          pool(shared->value[i], v, first, count, c->lk, c->dv);
          shared->bias[i] = logf((float)count);
        }
        if (!filled) continue;
        for (int i = 0; i < rows; i++) {
          float score[TILE], higher = most[i];
          for (int t = 0; t < TILE; t++) {
            score[t] = c->scale * dot(q + (size_t)i * c->d, shared->key[t], c->d) + shared->bias[t];
            if (c->causal && shared->last[t] > position + i) score[t] = -INFINITY;
            if (score[t] > higher) higher = score[t];
          }
          if (higher == -INFINITY) continue;
          const float kept = expf(most[i] - higher);
          total[i] *= kept;
          for (int x = 0; x < c->dv; x++) sum[(size_t)i * c->dv + x] *= kept;
          for (int t = 0; t < TILE; t++) {
            const float weight = expf(score[t] - higher);
            total[i] += weight;
            for (int x = 0; x < c->dv; x++) sum[(size_t)i * c->dv + x] += weight * shared->value[t][x];
          }
          most[i] = higher;
        }
      }
    }
  if (bug == WAVE) /* a subgroup of 64 lanes holds two rows, and its reductions run over both */
    for (int i = 0; i + 1 < rows; i += 2) {
      const float top = most[i] > most[i + 1] ? most[i] : most[i + 1];
      if (top == -INFINITY) continue;
      float both = 0;
      for (int r = i; r < i + 2; r++) {
        const float kept = expf(most[r] - top);
        both += total[r] * kept;
        for (int x = 0; x < c->dv; x++) sum[(size_t)r * c->dv + x] *= kept;
        most[r] = top;
      }
      total[i] = total[i + 1] = both;
    }
  for (int i = 0; i < rows; i++) {
    for (int x = 0; x < c->dv; x++) out[(size_t)i * c->dv + x] = total[i] > 0 ? sum[(size_t)i * c->dv + x] / total[i] : 0;
    lse[i] = total[i] > 0 ? most[i] + logf(total[i]) : -INFINITY;
  }
  free(shared), free(sum), free(most), free(total);
}

void attend(const int32_t *sizes, float scale, const float *q, const float *k, const float *v, const int32_t *levels, float *out,
            float *lse, int bug) {
  const Call c = {sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[6], sizes[7], sizes[8], sizes[9], sizes[10], scale};
  const int row_blocks = (c.lq + c.bm - 1) / c.bm, blocks = (c.lk + c.bn - 1) / c.bn;
  for (int m = 0; m < row_blocks; m++)
    for (int head = 0; head < c.batch * c.heads; head++) {
      const int from = head / c.heads * c.key_heads + head % c.heads / (c.heads / c.key_heads);
      const int row = m * c.bm;
      const size_t at = (size_t)head * c.lq + row, end = bug == NO_STORE_MASK ? (size_t)c.batch * c.heads * c.lq : (size_t)(head + 1) * c.lq;
      const int rows = end - at < (size_t)c.bm ? (int)(end - at) : c.bm;
      program(&c, q + at * c.d, k + (size_t)from * c.lk * c.d, v + (size_t)from * c.lk * c.dv,
              levels + ((size_t)head * row_blocks + m) * blocks, rows, row + c.lk - c.lq, out + at * c.dv, lse + at, bug);
    }
}
