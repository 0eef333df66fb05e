// Ranks of key blocks in their row, and the importance that lies before them: a part of the kernels that cut rows into levels.
//
// The kernel counts instead of sorting: every invocation keeps four blocks in registers and compares
// them with all blocks of the row, which pass through workgroup memory 256 at a time, 16 comparisons for one 16-byte
// read. That sets no limit to the row's length, needs no barriers inside a pass, and up to a few hundred blocks per row
// it costs less than the barriers of a sorting network. With THRESHOLD the same pass adds up the importance of the
// blocks before each one, in fixed point (2^31 is the row's total): the sum is the same in any order.

override N: u32;             // key blocks
override M: u32;             // query blocks
override THRESHOLD: bool;    // the importance before each block is wanted too
override PIN_CAUSAL: bool;   // the first and the diagonal key blocks come first in the order, the future last and without weight
override BLOCK_M: i32;
override BLOCK_N: i32;
override SEQ_Q: i32;
override SEQ_K: i32;

@group(0) @binding(0) var<storage, read> importance: array<f32>;   // [heads][M][N]

const THREADS = 64u;
const BEYOND = -3.0e38;
const FIRST = 3.0e38;
const ONE = 2147483648.0;    // the row's total in fixed point

var<workgroup> tile: array<vec4f, 64>;
var<workgroup> weights: array<vec4u, 64>;
var<workgroup> sums: array<f32, 64>;

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

fn keys_of(base: u32, m: u32, j: u32) -> vec4f {
  return vec4f(key_of(base, m, j), key_of(base, m, j + 1u), key_of(base, m, j + 2u), key_of(base, m, j + 3u));
}

// What a block adds to the importance of its row.
fn weight_of(base: u32, m: u32, j: u32) -> f32 {
  if (j >= N || (PIN_CAUSAL && is_future(i32(m), i32(j)))) { return 0.0; }
  return max(importance[base + j], 0.0);
}

fn weights_of(base: u32, m: u32, j: u32) -> vec4f {
  return vec4f(
    weight_of(base, m, j), weight_of(base, m, j + 1u), weight_of(base, m, j + 2u), weight_of(base, m, j + 3u),
  );
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

fn fixed(numbers: vec4f, factor: f32) -> vec4u { return vec4u(numbers * factor + 0.5); }

// Which of four blocks come after a block of the given key and index.
fn after(key: f32, index: u32, mine: vec4f, mine_first: u32) -> vec4<bool> {
  let indices = vec4u(mine_first) + vec4u(0u, 1u, 2u, 3u);
  return (vec4f(key) > mine) | ((vec4f(key) == mine) & (vec4u(index) < indices));
}

struct Place { rank: vec4u, energy: vec4u }

// Rank of this invocation's four blocks, and the importance up to and with each of them.
fn place_of(base: u32, m: u32, lid: u32, first: u32, factor: f32) -> Place {
  let mine = keys_of(base, m, first);
  var place = Place();
  if (THRESHOLD) { place.energy = fixed(weights_of(base, m, first), factor); }
  for (var start = 0u; start < N; start += 4u * THREADS) {
    workgroupBarrier();
    tile[lid] = keys_of(base, m, start + 4u * lid);
    if (THRESHOLD) { weights[lid] = fixed(weights_of(base, m, start + 4u * lid), factor); }
    workgroupBarrier();
    let quads = min(THREADS, (N - start + 3u) / 4u);
    for (var q = 0u; q < quads; q++) {
      let keys = tile[q];
      let index = start + 4u * q;
      let a = after(keys.x, index, mine, first);
      let b = after(keys.y, index + 1u, mine, first);
      let c = after(keys.z, index + 2u, mine, first);
      let d = after(keys.w, index + 3u, mine, first);
      place.rank += vec4u(a) + vec4u(b) + vec4u(c) + vec4u(d);
      if (THRESHOLD) {
        let w = weights[q];
        place.energy += vec4u(a) * w.x + vec4u(b) * w.y + vec4u(c) * w.z + vec4u(d) * w.w;
      }
    }
  }
  return place;
}

