// The term of first order of PISA (reference/methods/pyramid/pisa.ts): out += share * scale / keys * q H, where the share is
// the part of its softmax that a query gives to mean tokens, and H is what leans.wgsl makes.
//
// One workgroup per query block of a head. First each invocation takes a query: it scores the mean keys of the blocks that are read
// as a mean, and weighs them by the log-sum-exp that attention left. Then an invocation has two channels of the output and
// passes over the queries, so that neighbours read neighbouring entries of H and of the output.

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
@group(0) @binding(2) var<storage, read> leans: array<vec2f>;        // [key heads][DIM][PAIRS]
@group(0) @binding(3) var<storage, read> levels: array<i32>;         // [heads][M][N]
@group(0) @binding(4) var<storage, read> lse: array<f32>;            // [heads][QUERIES]
@group(0) @binding(5) var<storage, read_write> out: array<u32>;

var<workgroup> factors: array<f32, 128>;

fn query_at(i: u32) -> f32 {
  if (F16) { return unpack2x16float(queries[i / 2u])[i % 2u]; }
  return bitcast<f32>(queries[i]);
}

// The part of its softmax that a query gives to mean tokens.
fn share_of(head: u32, m: u32, i: u32) -> f32 {
  let row = head * QUERIES + i;
  var share = 0.0;
  for (var j = 0u; j < N; j++) {
    if (levels[(head * M + m) * N + j] <= 1) { continue; }
    let mean = (head / GROUP * N + j) * DIM;
    var product = 0.0;
    for (var x = 0u; x < DIM; x++) { product += query_at(row * DIM + x) * means[mean + x]; }
    let count = f32(min(BLOCK_N, KEYS - j * BLOCK_N));
    share += exp(SCALE * product + log(count) - lse[row]);
  }
  return share;
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let head = group.y;
  let first = group.x * BLOCK_M;
  let count = min(BLOCK_M, QUERIES - first);
  if (lid < count) { factors[lid] = share_of(head, group.x, first + lid) * SCALE / f32(KEYS); }
  workgroupBarrier();
  if (lid >= PAIRS) { return; }
  let lean = head / GROUP * DIM * PAIRS + lid;
  for (var r = 0u; r < count; r++) {
    let row = head * QUERIES + first + r;
    var sum = vec2f();
    for (var x = 0u; x < DIM; x++) { sum += query_at(row * DIM + x) * leans[lean + x * PAIRS]; }
    let at = row * PAIRS + lid;
    if (F16) {
      out[at] = pack2x16float(unpack2x16float(out[at]) + factors[r] * sum);
    } else {
      let old = vec2f(bitcast<f32>(out[2u * at]), bitcast<f32>(out[2u * at + 1u]));
      let corrected = bitcast<vec2u>(old + factors[r] * sum);
      out[2u * at] = corrected.x;
      out[2u * at + 1u] = corrected.y;
    }
  }
}
