/* Roundings, and an exponential in a handful of instructions. */
#include "blind.h"
#include <math.h>
#include <string.h>

static uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static float of_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* To the nearest float16, ties to even; what is too large becomes infinite. */
float round_f16(float x) {
  const float size = fabsf(x);
  if (!(size < 65520.0f)) return isnan(x) ? x : copysignf(INFINITY, x);
  if (size < 6.103515625e-5f) return copysignf((size + 0.5f) - 0.5f, x); /* subnormal: steps of 2^-24 */
  const uint32_t bits = bits_of(x), odd = bits >> 13 & 1;
  return of_bits((bits + 0xfffu + odd) & ~0x1fffu);
}

/* To ten bits of fraction, ties away from zero. */
float round_tf32(float x) { return of_bits((bits_of(x) + 0x1000u) & ~0x1fffu); }

/* The upper half of the word, the rest cut off. */
float cut_bf16(float x) { return of_bits(bits_of(x) & 0xffff0000u); }

/* 2^x by splitting off the whole part, and a polynomial of degree two for the rest. */
float quick_exp2(float x) {
  if (x < -126.0f) return 0.0f;
  const float whole = floorf(x), rest = x - whole;
  const float fraction = 1.0f + rest * (0.6565f + 0.3435f * rest);
  return of_bits((uint32_t)((int32_t)whole + 127) << 23) * fraction;
}
