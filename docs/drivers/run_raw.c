/* Plain C for the raw format: dense attention of one float32 case, as a pattern to put your kernel in.
 *
 *   cc -O2 -o run_raw run_raw.c -lm
 *   ./run_raw CASES/STEM OUTPUTS/STEM HEADS KEY_HEADS LQ LK D DV
 *
 * reads STEM.q.bin, STEM.k.bin, STEM.v.bin and writes STEM.out.bin with STEM.json beside it (one batch entry). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static float *read_floats(const char *stem, const char *name, size_t count) {
  char path[4096];
  snprintf(path, sizeof path, "%s.%s.bin", stem, name);
  FILE *file = fopen(path, "rb");
  float *data = malloc(count * sizeof *data);
  if (!file || !data || fread(data, sizeof *data, count, file) != count) {
    fprintf(stderr, "%s cannot be read\n", path);
    exit(2);
  }
  fclose(file);
  return data;
}

static void write_output(const char *stem, const float *out, const size_t shape[4]) {
  char path[4096];
  const char *slash = strrchr(stem, '/');
  size_t count = shape[0] * shape[1] * shape[2] * shape[3];
  snprintf(path, sizeof path, "%s.out.bin", stem);
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(out, sizeof *out, count, file) != count || fclose(file)) exit(2);
  snprintf(path, sizeof path, "%s.json", stem);
  file = fopen(path, "w");
  if (!file) exit(2);
  fprintf(file, "{\"tensors\":{\"out\":{\"file\":\"%s.out.bin\",\"dtype\":\"f32\",\"shape\":[%zu,%zu,%zu,%zu]}}}\n",
          slash ? slash + 1 : stem, shape[0], shape[1], shape[2], shape[3]);
  fclose(file);
}

int main(int count, char **words) {
  if (count != 9) return 2;
  size_t n[6];
  for (int i = 0; i < 6; i++) n[i] = strtoul(words[i + 3], NULL, 10);
  const size_t heads = n[0], key_heads = n[1], lq = n[2], lk = n[3], d = n[4], dv = n[5];
  float *q = read_floats(words[1], "q", heads * lq * d), *k = read_floats(words[1], "k", key_heads * lk * d);
  float *v = read_floats(words[1], "v", key_heads * lk * dv), *out = calloc(heads * lq * dv, sizeof *out);
  double *weights = malloc(lk * sizeof *weights);
  for (size_t row = 0; row < heads * lq; row++) {
    size_t key_head = row / lq / (heads / key_heads);
    double most = -INFINITY, total = 0;
    for (size_t t = 0; t < lk; t++) {
      double score = 0;
      for (size_t c = 0; c < d; c++) score += (double)q[row * d + c] * k[(key_head * lk + t) * d + c];
      weights[t] = score / sqrt((double)d);
      if (weights[t] > most) most = weights[t];
    }
    for (size_t t = 0; t < lk; t++) total += weights[t] = exp(weights[t] - most);
    for (size_t c = 0; c < dv; c++) {
      double sum = 0;
      for (size_t t = 0; t < lk; t++) sum += weights[t] / total * v[(key_head * lk + t) * dv + c];
      out[row * dv + c] = (float)sum;
    }
  }
  write_output(words[2], out, (size_t[4]){1, heads, lq, dv});
  return 0;
}
