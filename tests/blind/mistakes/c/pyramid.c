/* Keys and values at every level: each level is made of pairs of the level before. */
#include "blind.h"
#include <string.h>

/* Level 1, padded to whole blocks with the last token. */
static void first_level(const Call *call, const Inputs *in, Pool *pool) {
  const size_t blocks = (call->lk + call->bn - 1) / call->bn, rows = blocks * call->bn;
  const size_t heads = call->batch * call->key_heads;
  pool->ratio = 1, pool->per_block = call->bn;
  pool->keys = allocate(heads * rows * call->d, sizeof(float));
  pool->values = allocate(heads * rows * call->dv, sizeof(float));
  pool->counts = allocate(rows, sizeof(float));
  pool->last = allocate(rows, sizeof(size_t));
  for (size_t t = 0; t < rows; t++) {
    const size_t from = t < call->lk ? t : call->lk - 1;
    pool->counts[t] = t < call->lk ? 1.0f : 0.0f;
    pool->last[t] = call->replicate ? t : from;
    for (size_t h = 0; h < heads; h++) {
      memcpy(pool->keys + (h * rows + t) * call->d, in->k + (h * call->lk + from) * call->d, call->d * sizeof(float));
      memcpy(pool->values + (h * rows + t) * call->dv, in->v + (h * call->lk + from) * call->dv, call->dv * sizeof(float));
    }
  }
}

/* One row of the next level from two of the level before, which stand for `left` and `right` tokens. */
static void join(const float *rows, size_t width, float left, float right, float *joined) {
  const float both = left + right;
  for (size_t c = 0; c < width; c++) {
    joined[c] = both > 0 ? (rows[c] * left + rows[width + c] * right) / both : 0.0f;
  }
}

/* The next level: half as many tokens. */
static void next_level(const Call *call, const Pool *before, Pool *pool) {
  const size_t blocks = (call->lk + call->bn - 1) / call->bn, per_block = before->per_block / 2;
  const size_t rows = blocks * per_block, heads = call->batch * call->key_heads, d = call->d, dv = call->dv;
  pool->ratio = before->ratio * 2, pool->per_block = per_block;
  pool->keys = allocate(heads * rows * d, sizeof(float));
  pool->values = allocate(heads * rows * dv, sizeof(float));
  pool->counts = allocate(rows, sizeof(float));
  pool->last = allocate(rows, sizeof(size_t));
  for (size_t t = 0; t < rows; t++) {
    float left = before->counts[2 * t], right = before->counts[2 * t + 1];
    const int padded = before->ratio == 1 && call->replicate;
    if (padded) left = right = 1.0f;
    pool->counts[t] = left + right;
    pool->last[t] = before->last[2 * t + 1];
    if (mistake == 5 && right > 0) left = right = 1.0f;
    for (size_t h = 0; h < heads; h++) {
      float *key = pool->keys + (h * rows + t) * d, *value = pool->values + (h * rows + t) * dv;
      join(before->keys + (h * rows + t) * 2 * d, d, left, right, key);
      join(before->values + (h * rows + t) * 2 * dv, dv, left, right, value);
      for (size_t c = 0; mistake == 30 && c < d && right > 0; c++) {
        const float *pair = before->keys + (h * rows + t) * 2 * d;
        key[c] = pair[c] > pair[d + c] ? pair[c] : pair[d + c];
      }
      if (mistake == 12) memcpy(value, before->values + (h * rows + t) * 2 * dv, dv * sizeof(float));
    }
  }
}

/* Means of windows that begin one token late, straight from level 1; the last window repeats the last token. */
static void late_windows(const Call *call, const Pool *first, Pool *pool) {
  const size_t blocks = (call->lk + call->bn - 1) / call->bn, long_rows = blocks * call->bn;
  const size_t rows = blocks * pool->per_block, heads = call->batch * call->key_heads;
  for (size_t h = 0; h < heads; h++) {
    for (size_t t = 0; t < rows; t++) {
      const size_t count = (size_t)pool->counts[t];
      float *key = pool->keys + (h * rows + t) * call->d, *value = pool->values + (h * rows + t) * call->dv;
      if (count == 0) continue;
      memset(key, 0, call->d * sizeof(float)), memset(value, 0, call->dv * sizeof(float));
      for (size_t n = 0; n < count; n++) {
        size_t from = t * pool->ratio + n + 1;
        if (from >= call->lk) from = call->lk - 1;
        for (size_t c = 0; c < call->d; c++) key[c] += first->keys[(h * long_rows + from) * call->d + c] / (float)count;
        for (size_t c = 0; c < call->dv; c++) value[c] += first->values[(h * long_rows + from) * call->dv + c] / (float)count;
      }
    }
  }
}

size_t build_pools(const Call *call, const Inputs *in, Pool *pools) {
  size_t count = 1;
  first_level(call, in, &pools[0]);
  while (pools[count - 1].per_block % 2 == 0) {
    next_level(call, &pools[count - 1], &pools[count]);
    count++;
  }
  if (mistake == 15) {
    for (size_t n = 1; n < count; n++) late_windows(call, &pools[0], &pools[n]);
  }
  return count;
}
