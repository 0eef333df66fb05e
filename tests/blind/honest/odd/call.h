/* What the honest kernels of unusual arithmetic share: a call, the pooled tokens of a query block, and states of a row. */
#pragma once
#include <stddef.h>

#define PARTS 8
#define TILE 48
#define STATES 40
#define LOG2E 1.4426950408889634f
#define LN2 0.6931471805599453f

typedef struct {
  size_t batch, heads, kv_heads, lq, lk, d, dv, bm, bn;
  int causal, replicate;
  float scale;
  int storage, way;
} Call;

/* The pooled tokens that a query block sees. */
typedef struct {
  float *keys, *values;
  size_t *counts, *last, *levels, count;
} List;

/* An output and what it is relative to: a maximum and a sum, or, once finished, a log-sum-exp. */
typedef struct {
  float most, total, lse, *out;
} State;

/* Rounds to float16. */
float to_f16(float x);
/* Rounds to the storage format of a call. */
float stored(const Call *call, float x);
float dot(const Call *call, const float *a, const float *b);
/* The score of a token without its log term, or minus infinity where it is not seen. */
float score(const Call *call, const float *query, const List *list, size_t t, ptrdiff_t where);
void clear(const Call *call, State *state);
/* Adds a value times its weight to a state's output. */
void add(const Call *call, State *state, float weight, const float *value);
void rescale(const Call *call, State *state, float factor);
/* Two finished states as one: the share of the second is logistic in the difference of the log-sum-exps. */
void join(const Call *call, State *a, const State *b);
/* Zeroed memory; ends the program if there is none. */
void *allocate(size_t count, size_t size);

/* The ways 1 to 4 (odd.c), 5 to 10 (rare.c), 11 and 12 (fixed.c), and 13 to 18 (more.c): the row's output and log-sum-exp in the first of `states`. */
void run_odd(const Call *call, const float *query, const List *list, ptrdiff_t where, State *states);
void run_rare(const Call *call, const float *query, const List *list, ptrdiff_t where, State *states);
void run_fixed(const Call *call, const float *query, const List *list, ptrdiff_t where, State *state);
void run_more(const Call *call, const float *query, const List *list, ptrdiff_t where, State *state);
