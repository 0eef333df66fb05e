// Rows of importance as the kernels that cut them into levels read them: keys by which blocks are ranked, and weights. A part of
// those kernels; THREADS is the number of their invocations, which ranks.wgsl or buckets.wgsl decides.

override N: u32;             // key blocks
override M: u32;             // query blocks
override THRESHOLD: bool;    // the importance before each block is wanted too
override PIN_CAUSAL: bool;   // the first and the diagonal key blocks come first in the order, the future last and without weight
override BLOCK_M: i32;
override BLOCK_N: i32;
override SEQ_Q: i32;
override SEQ_K: i32;

@group(0) @binding(0) var<storage, read> importance: array<f32>;   // [heads][M][N]

const BEYOND = -3.0e38;
const FIRST = 3.0e38;
const ONE = 2147483648.0;    // the row's total in fixed point

var<workgroup> sums: array<f32, THREADS>;

fn is_future(m: i32, j: i32) -> bool {
  return j * BLOCK_N > min((m + 1) * BLOCK_M, SEQ_Q) - 1 + SEQ_K - SEQ_Q;
}

fn is_diagonal(m: i32, j: i32) -> bool {
  return !is_future(m, j) && min((j + 1) * BLOCK_N, SEQ_K) - 1 > m * BLOCK_M + SEQ_K - SEQ_Q;
}

// The sort key of a key block in its row.
fn key_of(base: u32, m: u32, j: u32) -> f32 {
  if (j >= N) { return BEYOND; }
  if (PIN_CAUSAL) {
    if (is_future(i32(m), i32(j))) { return -1.0; }
    if (j == 0u || is_diagonal(i32(m), i32(j))) { return FIRST; }
  }
  return importance[base + j];
}

// What a block adds to the importance of its row.
fn weight_of(base: u32, m: u32, j: u32) -> f32 {
  if (j >= N || (PIN_CAUSAL && is_future(i32(m), i32(j)))) { return 0.0; }
  return max(importance[base + j], 0.0);
}

// The sum of the row.
fn total_of(base: u32, m: u32, lid: u32) -> f32 {
  var sum = 0.0;
  for (var j = lid; j < N; j += THREADS) { sum += weight_of(base, m, j); }
  sums[lid] = sum;
  for (var half = THREADS / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lid < half) { sums[lid] += sums[lid + half]; }
  }
  workgroupBarrier();
  return sums[0];
}

fn fixed(number: f32, factor: f32) -> u32 { return u32(number * factor + 0.5); }

// Where a block stands in its row: blocks before it, and the importance up to and with it. Long rows are counted in parts:
// each has some of the blocks before it, and is to be added to those so far.
struct Standing { rank: u32, energy: u32, is_first: bool }
