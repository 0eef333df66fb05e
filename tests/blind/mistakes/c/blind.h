/* A tiled pyramid attention kernel in plain C, in which a mistake can be planted by its number; 0 is the right kernel. */
#ifndef BLIND_H
#define BLIND_H
#include <stddef.h>
#include <stdint.h>

/* Which mistake is planted: see ../statements.json. */
extern int mistake;

/* One call: sizes in tokens or numbers, as in the file of the case. */
typedef struct {
  size_t batch, heads, key_heads, lq, lk, d, dv, bm, bn, tile;
  float scale;
  int causal, replicate;
} Call;

/* One level of keys and values: `blocks` x `per_block` pooled tokens a head. */
typedef struct {
  size_t ratio, per_block;
  float *keys, *values; /* [batch * key_heads, blocks * per_block, d or dv] */
  float *counts;        /* [blocks * per_block]: how many tokens each stands for, 0 where it does not exist */
  size_t *last;         /* [blocks * per_block]: the last position that it covers */
} Pool;

typedef struct {
  const float *q, *k, *v;
  const int32_t *levels;
} Inputs;

void *allocate(size_t count, size_t size);
void fail(const char *what, const char *name);
void *read_numbers(const char *stem, const char *name, size_t count, size_t size);
void write_outputs(const char *stem, const Call *call, const float *out, const float *lse);

/* Pools keys and values at every level up to the block. Returns how many levels there are. */
size_t build_pools(const Call *call, const Inputs *in, Pool *pools);

void attention(const Call *call, const Inputs *in, const Pool *pools, float *out, float *lse);

float round_f16(float x);
float round_tf32(float x);
float cut_bf16(float x);
float quick_exp2(float x);
#endif
