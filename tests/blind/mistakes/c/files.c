/* Raw tensors of a case in, outputs out. */
#include "blind.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fail(const char *what, const char *name) {
  fprintf(stderr, "%s: %s\n", what, name);
  exit(2);
}

void *allocate(size_t count, size_t size) {
  void *memory = calloc(count + 1, size);
  if (!memory) fail("there is no memory for", "arrays");
  return memory;
}

void *read_numbers(const char *stem, const char *name, size_t count, size_t size) {
  char path[4096];
  snprintf(path, sizeof path, "%s.%s.bin", stem, name);
  FILE *file = fopen(path, "rb");
  if (!file) fail("cannot be opened", path);
  void *data = allocate(count, size);
  if (fread(data, size, count, file) != count || fgetc(file) != EOF) fail("has another size", path);
  fclose(file);
  return data;
}

static void write_numbers(const char *stem, const char *name, const float *data, size_t count) {
  char path[4096];
  snprintf(path, sizeof path, "%s.%s.bin", stem, name);
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(data, sizeof *data, count, file) != count || fclose(file)) fail("cannot be written", path);
}

void write_outputs(const char *stem, const Call *call, const float *out, const float *lse) {
  char path[4096];
  const char *slash = strrchr(stem, '/'), *name = slash ? slash + 1 : stem;
  const size_t rows = call->batch * call->heads * call->lq;
  write_numbers(stem, "out", out, rows * call->dv);
  write_numbers(stem, "lse", lse, rows);
  snprintf(path, sizeof path, "%s.json", stem);
  FILE *file = fopen(path, "w");
  if (!file) fail("cannot be written", path);
  fprintf(file,
          "{\"tensors\":{\"out\":{\"file\":\"%s.out.bin\",\"dtype\":\"f32\",\"shape\":[%zu,%zu,%zu,%zu]},"
          "\"lse\":{\"file\":\"%s.lse.bin\",\"dtype\":\"f32\",\"shape\":[%zu,%zu,%zu]}}}\n",
          name, call->batch, call->heads, call->lq, call->dv, name, call->batch, call->heads, call->lq);
  if (fclose(file)) fail("cannot be written", path);
}
