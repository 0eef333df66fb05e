/* Plain C for the raw format: pyramid attention of one float32 case, as a pattern to put your kernel in.
 *
 *   cc -O2 -o run_raw run_raw.c -lm
 *   ./run_raw CASES/STEM OUTPUTS/STEM HEADS KEY_HEADS LQ LK D DV BM BN SCALE
 *
 * reads STEM.q.bin, STEM.k.bin, STEM.v.bin and STEM.levels.bin, and writes STEM.out.bin with STEM.json beside it: one
 * batch entry, not causal, tokens in raster order. Files are little-endian, as most machines are. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what, const char *name) {
  fprintf(stderr, "%s: %s\n", what, name);
  exit(2);
}

static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (!memory) fail("there is no memory for", "arrays");
  return memory;
}

static void *read_numbers(const char *stem, const char *name, size_t count, size_t size) {
  char path[4096];
  snprintf(path, sizeof path, "%s.%s.bin", stem, name);
  FILE *file = fopen(path, "rb");
  if (!file) fail("cannot be opened", path);
  void *data = allocate(count, size);
  if (fread(data, size, count, file) != count || fgetc(file) != EOF) fail("has another size", path);
  fclose(file);
  return data;
}

static void write_output(const char *stem, const float *out, const size_t shape[4]) {
  char path[4096];
  const char *slash = strrchr(stem, '/');
  size_t count = shape[0] * shape[1] * shape[2] * shape[3];
  snprintf(path, sizeof path, "%s.out.bin", stem);
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(out, sizeof *out, count, file) != count || fclose(file)) fail("cannot be written", path);
  snprintf(path, sizeof path, "%s.json", stem);
  file = fopen(path, "w");
  if (!file) fail("cannot be written", path);
  fprintf(file, "{\"tensors\":{\"out\":{\"file\":\"%s.out.bin\",\"dtype\":\"f32\",\"shape\":[%zu,%zu,%zu,%zu]}}}\n",
          slash ? slash + 1 : stem, shape[0], shape[1], shape[2], shape[3]);
  if (fclose(file)) fail("cannot be written", path);
}

/* The mean of `count` rows that begin at `rows`, into `mean`. */
static void pool(const float *rows, size_t count, size_t width, double *mean) {
  for (size_t c = 0; c < width; c++) {
    double sum = 0;
    for (size_t n = 0; n < count; n++) sum += rows[n * width + c];
    mean[c] = sum / (double)count;
  }
}

int main(int words, char **word) {
  if (words != 12) fail("usage", "run_raw CASES/STEM OUTPUTS/STEM HEADS KEY_HEADS LQ LK D DV BM BN SCALE");
  size_t n[8];
  for (int i = 0; i < 8; i++)
    if (!(n[i] = strtoul(word[i + 3], NULL, 10))) fail("should be a number above 0", word[i + 3]);
  const size_t heads = n[0], key_heads = n[1], lq = n[2], lk = n[3], d = n[4], dv = n[5], bm = n[6], bn = n[7];
  const size_t row_blocks = (lq + bm - 1) / bm, key_blocks = (lk + bn - 1) / bn;
  const double scale = strtod(word[11], NULL);
  if (heads % key_heads) fail("should divide the number of heads", word[4]);
  const float *q = read_numbers(word[1], "q", heads * lq * d, sizeof *q);
  const float *k = read_numbers(word[1], "k", key_heads * lk * d, sizeof *k);
  const float *v = read_numbers(word[1], "v", key_heads * lk * dv, sizeof *v);
  const int32_t *levels = read_numbers(word[1], "levels", heads * row_blocks * key_blocks, sizeof *levels);
  float *out = allocate(heads * lq * dv, sizeof *out);
  double *key = allocate(d, sizeof *key), *value = allocate(dv, sizeof *value), *sum = allocate(dv, sizeof *sum);
  for (size_t row = 0; row < heads * lq; row++) {
    const size_t head = row / lq, first = head / (heads / key_heads) * lk;
    const int32_t *level = levels + (head * row_blocks + row % lq / bm) * key_blocks;
    double most = -INFINITY, total = 0;
    memset(sum, 0, dv * sizeof *sum);
    for (size_t t = 0, count; t < lk; t += count) {
      const size_t block = t / bn, end = (block + 1) * bn < lk ? (block + 1) * bn : lk;
      const size_t size = level[block] > 0 ? (size_t)level[block] : end - t;
      count = size < end - t ? size : end - t;
      if (level[block] == 0) continue;
      pool(k + (first + t) * d, count, d, key);
      pool(v + (first + t) * dv, count, dv, value);
      double score = log((double)count);
      for (size_t c = 0; c < d; c++) score += scale * q[row * d + c] * key[c];
      const double higher = score > most ? score : most, kept = exp(most - higher), weight = exp(score - higher);
      total = total * kept + weight;
      for (size_t c = 0; c < dv; c++) sum[c] = sum[c] * kept + weight * value[c];
      most = higher;
    }
    for (size_t c = 0; c < dv; c++) out[row * dv + c] = total > 0 ? (float)(sum[c] / total) : 0;
  }
  write_output(word[2], out, (size_t[4]){1, heads, lq, dv});
  return 0;
}
