/* Attention a query row after the other, in passes: scores of all pooled tokens that the row lists, the largest, then sums.
   `mistake` is the number in statements.json; 0 is right. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  int batch, heads, kv_heads, lq, lk, d, dv, bm, bn, causal, replicate, mistake;
} Call;

/* A pooled token: from `first` on, `count` tokens, and its score. */
typedef struct {
  int first, count;
  float score;
} Token;

static int clamp_to(int token, int length) { return token < length ? token : length - 1; }

/* The product of a query and the mean of a pooled token's keys. */
static float product(const Call *c, const float *query, const float *keys, const Token *token) {
  float sum = 0.0f;
  for (int i = 0; i < token->count; i++) {
    const float *key = keys + (size_t)clamp_to(token->first + i, c->lk) * c->d;
    for (int n = 0; n < c->d; n++) sum += query[n] * key[n];
  }
  return sum / (float)token->count;
}

/* Whether a causal query at a place does not see a pooled token. */
static int is_hidden(const Call *c, const Token *token, int ratio, int position) {
  int last = token->first + token->count - 1;
  if (!c->causal || (c->mistake == 491 && c->lq != c->lk)) return 0;
  if (c->mistake == 493 && ratio > 1) return last < position;
  return last > position;
}

/* Lists what a row sees; returns how many pooled tokens. */
static int list_tokens(const Call *c, const int32_t *row, int position, Token *tokens) {
  int found = 0, blocks = (c->lk + c->bn - 1) / c->bn, from = 0;
  if (c->mistake == 492 && c->causal && c->lk > c->lq) from = (c->lk - c->lq) / c->bn;
  for (int j = from; j < blocks; j++) {
    /* 497: a slice that begins where it would fit. */
    int ratio = row[j], behind = (j + 1) * c->bn - c->lk, back = c->mistake == 497 && behind > 0 && c->lk >= c->bn ? behind : 0;
    if (ratio <= 0) continue;
    for (int first = j * c->bn; first < (j + 1) * c->bn; first += ratio) {
      int left = c->lk - first + back;
      Token token = {first, c->replicate && ratio > 1 ? ratio : left < ratio ? left : ratio, 0.0f};
      if (token.count <= 0 || is_hidden(c, &token, ratio, position)) continue;
      token.first -= back;
      tokens[found++] = token;
    }
  }
  return found;
}

/* One row: its output, and its log-sum-exp. */
static float attend_row(const Call *c, const float *values, const Token *tokens, int found, float *out) {
  float most = -INFINITY, total = 0.0f;
  memset(out, 0, sizeof(float) * (size_t)c->dv);
  if (found == 0) return -INFINITY;
  for (int t = 0; t < found; t++) most = fmaxf(most, tokens[t].score);
  for (int t = 0; t < found; t++) {
    float weight = expf(tokens[t].score - most);
    total += weight;
    for (int i = 0; i < tokens[t].count; i++) {
      const float *value = values + (size_t)clamp_to(tokens[t].first + i, c->lk) * c->dv;
      for (int n = 0; n < c->dv; n++) out[n] += weight / (float)tokens[t].count * value[n];
    }
  }
  for (int n = 0; n < c->dv; n++) out[n] /= total;
  return most + logf(total);
}

/* All rows; `sizes` are those of Call. */
void attend(const int32_t *sizes, const float *q, const float *k, const float *v, const int32_t *levels, float *out,
            float *lse, float scale) {
  Call c;
  memcpy(&c, sizes, sizeof c);
  int row_blocks = (c.lq + c.bm - 1) / c.bm, blocks = (c.lk + c.bn - 1) / c.bn, group = c.heads / c.kv_heads;
  Token *tokens = malloc(sizeof(Token) * (size_t)(blocks * c.bn));
  for (int n = 0; n < c.batch * c.heads; n++) {
    size_t head = (size_t)(n / c.heads * c.kv_heads + n % c.heads / group) * (size_t)c.lk;
    for (int i = 0; i < c.lq; i++) {
      size_t row = (size_t)n * (size_t)c.lq + (size_t)i;
      const int32_t *mine = levels + ((size_t)n * (size_t)row_blocks + (size_t)(i / c.bm)) * (size_t)blocks;
      int found = list_tokens(&c, mine, i + c.lk - c.lq, tokens);
      for (int t = 0; t < found; t++)
        tokens[t].score = scale * product(&c, q + row * c.d, k + head * c.d, &tokens[t]) + logf((float)tokens[t].count);
      lse[row] = attend_row(&c, v + head * c.dv, tokens, found, out + row * c.dv);
    }
  }
  free(tokens);
}
