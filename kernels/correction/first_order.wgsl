// The term of first order of PISA (reference/methods/pyramid/pisa.ts): out += share * scale / keys * q H, where the share is
// the part of its softmax that a query gives to mean tokens, and H is what leans.wgsl and slices_sum.wgsl make.
//
// Both are products of matrices, queries with mean keys and queries with H, and run alike: a workgroup has 64 queries of a head
// and 64 columns at a time; 16 channels of both sides pass through workgroup memory as vectors of four queries and of four
// columns, and an invocation makes 4 x 4 numbers, 16 multiply-adds for two reads. Scores of mean keys are weighed by the
// log-sum-exp that attention left, and added up over columns; the shares stay in workgroup memory for the second product.

override F16: bool;         // queries and the output are float16, else float32
override PAIRS: u32;        // pairs of channels of a value
override DIM: u32;          // channels of a query
override BLOCK_M: u32;      // queries per block
override BLOCK_N: u32;      // keys per block
override M: u32;            // query blocks
override N: u32;            // key blocks
override QUERIES: u32;      // queries per head
override KEYS: u32;         // keys per head
override GROUP: u32;        // query heads a key head
override SCALE: f32;        // factor on q . k

@group(0) @binding(0) var<storage, read> queries: array<u32>;
@group(0) @binding(1) var<storage, read> means: array<f32>;          // [key heads][N][DIM]
@group(0) @binding(2) var<storage, read> leans: array<f32>;          // [key heads][DIM][2 * PAIRS]
@group(0) @binding(3) var<storage, read> levels: array<i32>;         // [heads][M][N]
@group(0) @binding(4) var<storage, read> lse: array<f32>;            // [heads][QUERIES]
@group(0) @binding(5) var<storage, read_write> out: array<u32>;

const SIDE = 64u;
const STEP = 16u;
var<workgroup> rows: array<vec4f, 272>;      // [channel][17]: four queries
var<workgroup> columns: array<vec4f, 272>;   // [channel][17]: four mean keys, or channels of a value
var<workgroup> shares: array<vec4f, 272>;    // [four columns][17]: four queries
var<workgroup> factors: array<vec4f, 16>;

fn query_at(i: u32) -> f32 {
  if (F16) { return unpack2x16float(queries[i / 2u])[i % 2u]; }
  return bitcast<f32>(queries[i]);
}

// A number of the right side: a mean key's channel, or one of H.
fn right_at(head: u32, channel: u32, column: u32, isLean: bool) -> f32 {
  if (isLean) {
    if (column >= 2u * PAIRS) { return 0.0; }
    return leans[(head / GROUP * DIM + channel) * 2u * PAIRS + column];
  }
  if (column >= N) { return 0.0; }
  return means[(head / GROUP * N + column) * DIM + channel];
}

// Products of this invocation's four queries with four columns.
fn product(head: u32, first: u32, first_column: u32, isLean: bool, lid: vec2u) -> array<vec4f, 4> {
  var sums = array<vec4f, 4>();
  for (var c = 0u; c < DIM; c += STEP) {
    // neighbours take neighbouring numbers: channels of queries and of mean keys, columns of H
    let channel = c + lid.x;
    var q = vec4f();
    var r = vec4f();
    for (var e = 0u; e < 4u; e++) {
      let query = first + lid.y * 4u + e;
      if (channel < DIM && query < QUERIES) { q[e] = query_at((head * QUERIES + query) * DIM + channel); }
      if (isLean) {
        if (c + lid.y < DIM) { r[e] = right_at(head, c + lid.y, first_column + lid.x * 4u + e, true); }
      } else if (channel < DIM) {
        r[e] = right_at(head, channel, first_column + lid.y * 4u + e, false);
      }
    }
    rows[lid.x * 17u + lid.y] = q;
    columns[select(lid.x * 17u + lid.y, lid.y * 17u + lid.x, isLean)] = r;
    workgroupBarrier();
    for (var s = 0u; s < STEP; s++) {
      let four = rows[s * 17u + lid.y];
      let own = columns[s * 17u + lid.x];
      for (var e = 0u; e < 4u; e++) { sums[e] += four[e] * own; }
    }
    workgroupBarrier();
  }
  return sums;
}

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let head = group.y;
  let first = group.x * SIDE;
  var share = vec4f();
  for (var column = 0u; column < N; column += SIDE) {
    let scores = product(head, first, column, false, local.xy);
    for (var e = 0u; e < 4u; e++) {
      let query = first + local.y * 4u + e;
      if (query >= QUERIES) { continue; }
      for (var i = 0u; i < 4u; i++) {
        let j = column + local.x * 4u + i;
        if (j >= N || levels[(head * M + query / BLOCK_M) * N + min(j, N - 1u)] <= 1) { continue; }
        let count = f32(min(BLOCK_N, KEYS - j * BLOCK_N));
        share[e] += exp(SCALE * scores[e][i] + log(count) - lse[head * QUERIES + query]);
      }
    }
  }
  shares[local.x * 17u + local.y] = share;
  workgroupBarrier();
  if (local.x == 0u) {
    var sum = vec4f();
    for (var i = 0u; i < 16u; i++) { sum += shares[i * 17u + local.y]; }
    factors[local.y] = sum * (SCALE / f32(KEYS));
  }
  workgroupBarrier();
  let factor = factors[local.y];
  for (var column = 0u; column < 2u * PAIRS; column += SIDE) {
    let sums = product(head, first, column, true, local.xy);
    for (var e = 0u; e < 4u; e++) {
      let query = first + local.y * 4u + e;
      if (query >= QUERIES) { continue; }
      for (var half = 0u; half < 2u; half++) {
        let pair = column / 2u + local.x * 2u + half;
        if (pair >= PAIRS) { continue; }
        let added = factor[e] * vec2f(sums[e][2u * half], sums[e][2u * half + 1u]);
        let at = (head * QUERIES + query) * PAIRS + pair;
        if (F16) {
          out[at] = pack2x16float(unpack2x16float(out[at]) + added);
        } else {
          let old = vec2f(bitcast<f32>(out[2u * at]), bitcast<f32>(out[2u * at + 1u]));
          let corrected = bitcast<vec2u>(old + added);
          out[2u * at] = corrected.x;
          out[2u * at + 1u] = corrected.y;
        }
      }
    }
  }
}
