// The weights of mean values that are put back (reference/methods/mask/rectified.ts): the pooled softmax over the blocks that a
// row sees, for blocks that are skipped and whose mean score is larger than what the spread of their tokens makes of it.
// One workgroup per query block of a head: a sum over its row first, then an invocation has a key block, whose three products
// of channels it adds up; the query block's numbers are the same for all of them.

override DIM: u32;          // channels of a query
override M: u32;            // query blocks
override N: u32;            // key blocks
override GROUP: u32;        // query heads a key head
override CAUSAL: bool;
override BLOCK_M: i32;
override BLOCK_N: i32;
override SEQ_Q: i32;
override SEQ_K: i32;

@group(0) @binding(0) var<storage, read> pooled: array<f32>;           // [heads][M][N]
@group(0) @binding(1) var<storage, read> levels: array<i32>;           // [heads][M][N]
@group(0) @binding(2) var<storage, read> queries: array<f32>;          // [heads][M][DIM]: means
@group(0) @binding(3) var<storage, read> query_spreads: array<f32>;    // [heads][M][DIM]
@group(0) @binding(4) var<storage, read> keys: array<f32>;             // [key heads][N][DIM]: means
@group(0) @binding(5) var<storage, read> key_spreads: array<f32>;      // [key heads][N][DIM]
@group(0) @binding(6) var<storage, read_write> weights: array<f32>;    // [heads][M][N]

const THREADS = 64u;
var<workgroup> partial: array<f32, 64>;

fn is_seen(m: i32, j: i32) -> bool {
  return !CAUSAL || j * BLOCK_N <= min((m + 1) * BLOCK_M, SEQ_Q) - 1 + SEQ_K - SEQ_Q;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let m = group.x;
  let base = (group.y * M + m) * N;
  var sum = 0.0;
  for (var j = lid; j < N; j += THREADS) {
    if (is_seen(i32(m), i32(j))) { sum += pooled[base + j]; }
  }
  partial[lid] = sum;
  for (var width = THREADS / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lid < width) { partial[lid] += partial[lid + width]; }
  }
  workgroupBarrier();
  let total = partial[0];
  for (var j = lid; j < N; j += THREADS) {
    let query = (group.y * M + m) * DIM;
    let key = (group.y / GROUP * N + j) * DIM;
    var sums = vec3f();
    for (var c = 0u; c < DIM; c++) {
      let q = queries[query + c];
      let k = keys[key + c];
      sums += vec3f(q * k, query_spreads[query + c] * k, q * key_spreads[key + c]);
    }
    let isReliable = abs(sums.x) > abs(sums.y) + abs(sums.z);
    let counts = isReliable && levels[base + j] == 0 && is_seen(i32(m), i32(j)) && total > 0.0;
    weights[base + j] = select(0.0, pooled[base + j] / total, counts);
  }
}
