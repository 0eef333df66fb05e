/* main MISTAKE CASES/STEM OUTPUTS/STEM BATCH HEADS KEY_HEADS LQ LK D DV BM BN TILE SCALE CAUSAL REPLICATE ORDERED
 *
 * Reads STEM.q.bin, .k.bin, .v.bin, .levels.bin and, if ORDERED, .order.bin; writes STEM.out.bin, .lse.bin and .json. */
#include "blind.h"
#include <stdlib.h>
#include <string.h>

int mistake;

/* Rows of every head in another order: row n of the result is row order[n], or the other way round. */
static float *arrange(const float *rows, const int32_t *order, size_t heads, size_t length, size_t width, int back) {
  float *arranged = allocate(heads * length * width, sizeof *arranged);
  for (size_t h = 0; h < heads; h++) {
    for (size_t n = 0; n < length; n++) {
      const size_t from = back ? n : (size_t)order[n], to = back ? (size_t)order[n] : n;
      memcpy(arranged + (h * length + to) * width, rows + (h * length + from) * width, width * sizeof *rows);
    }
  }
  return arranged;
}

int main(int words, char **word) {
  if (words != 18) fail("main", "should get 17 words");
  size_t n[10];
  mistake = atoi(word[1]);
  for (int i = 0; i < 10; i++) n[i] = strtoul(word[i + 4], NULL, 10);
  const Call call = {n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9],
                     strtof(word[14], NULL), atoi(word[15]), atoi(word[16])};
  const size_t q_heads = call.batch * call.heads, k_heads = call.batch * call.key_heads;
  const size_t row_blocks = (call.lq + call.bm - 1) / call.bm, blocks = (call.lk + call.bn - 1) / call.bn;
  Inputs in = {read_numbers(word[2], "q", q_heads * call.lq * call.d, sizeof(float)),
               read_numbers(word[2], "k", k_heads * call.lk * call.d, sizeof(float)),
               read_numbers(word[2], "v", k_heads * call.lk * call.dv, sizeof(float)),
               read_numbers(word[2], "levels", q_heads * row_blocks * blocks, sizeof(int32_t))};
  const int32_t *order = atoi(word[17]) ? read_numbers(word[2], "order", call.lq, sizeof(int32_t)) : NULL;
  if (order) {
    in.q = arrange(in.q, order, q_heads, call.lq, call.d, 0);
    in.k = arrange(in.k, order, k_heads, call.lk, call.d, 0);
    in.v = arrange(in.v, order, k_heads, call.lk, call.dv, 0);
  }
  Pool pools[32] = {{0}};
  build_pools(&call, &in, pools);
  float *out = allocate(q_heads * call.lq * call.dv, sizeof *out), *lse = allocate(q_heads * call.lq, sizeof *lse);
  attention(&call, &in, pools, out, lse);
  if (order) {
    out = arrange(out, order, q_heads, call.lq, call.dv, 1);
    lse = arrange(lse, order, q_heads, call.lq, 1, 1);
  }
  write_outputs(word[3], &call, out, lse);
  return 0;
}
