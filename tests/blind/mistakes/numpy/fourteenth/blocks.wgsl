// Pyramid attention, a workgroup of 64 lanes for a query block of a head, a lane for each 64th of its rows: softmax in base 2 with
// a running maximum, pooled tokens averaged when they are read. MISTAKE plants a mistake, 479 to 484; 0 is right. Dimensions are
// multiples of 4 up to 256; a step takes four channels, since a driver in software ends an invocation after 65,535 steps of loops.
override MISTAKE: u32 = 0;

struct Call {
  batch: u32, heads: u32, key_heads: u32, lq: u32, lk: u32, d: u32, dv: u32, bm: u32, bn: u32,
  causal: u32, replicate: u32,
  scale: f32,
}

@group(0) @binding(0) var<storage, read> call: Call;
@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> k: array<f32>;
@group(0) @binding(3) var<storage, read> v: array<f32>;
@group(0) @binding(4) var<storage, read> levels: array<i32>;
@group(0) @binding(5) var<storage, read> order: array<i32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(7) var<storage, read_write> lse: array<f32>;

const LOWEST = -3.0e38;
const LANES = 64u;
const LOG2E = 1.4426950408889634;
const LN2 = 0.6931471805599453;

var<private> query: array<f32, 256>;
var<private> sum: array<f32, 256>;
var<private> total: f32;
var<private> most: f32;

/** Where a token lies in memory; tokens behind those of the order stay where they are. */
fn place(token: u32) -> u32 {
  if (token < arrayLength(&order)) { return u32(order[token]); }
  return token;
}

/** The score, in base 2, of the mean of `count` tokens from `first` on; those behind the end are copies of the last one. */
fn score_of(head: u32, first: u32, count: u32) -> f32 {
  var product = 0.0;
  for (var i = 0u; i < count; i++) {
    let at = (head * call.lk + place(min(first + i, call.lk - 1))) * call.d;
    for (var c = 0u; c < call.d; c += 4) {
      let key = vec4f(k[at + c], k[at + c + 1], k[at + c + 2], k[at + c + 3]);
      product += dot(vec4f(query[c], query[c + 1], query[c + 2], query[c + 3]), key);
    }
  }
  product *= LOG2E / f32(count);
  if (MISTAKE == 484) { product *= call.scale; }
  if (MISTAKE == 483) { return product + log(f32(count)); }
  return product + log2(f32(count));
}

/** Multiplies what was added to the output by a factor. */
fn rescale(factor: f32) {
  for (var c = 0u; c < call.dv; c += 4) {
    sum[c] *= factor;
    sum[c + 1] *= factor;
    sum[c + 2] *= factor;
    sum[c + 3] *= factor;
  }
}

/** Takes a pooled token into the running softmax. */
fn take(head: u32, first: u32, count: u32) {
  let score = score_of(head, first, count);
  let higher = select(max(most, score), 0.0, MISTAKE == 482);
  let before = select(exp2(most - higher), 0.0, most == LOWEST);
  let weight = exp2(score - higher);
  if (before != 1.0) { rescale(before); }
  for (var i = 0u; i < count; i++) {
    let at = (head * call.lk + place(min(first + i, call.lk - 1))) * call.dv;
    for (var c = 0u; c < call.dv; c += 4) {
      sum[c] += weight / f32(count) * v[at + c];
      sum[c + 1] += weight / f32(count) * v[at + c + 1];
      sum[c + 2] += weight / f32(count) * v[at + c + 2];
      sum[c + 3] += weight / f32(count) * v[at + c + 3];
    }
  }
  total = total * before + weight;
  most = higher;
}

/** Reads key block `block` at a level; a query sees what ends before `end`. */
fn read_block(head: u32, block: u32, ratio: u32, end: i32) {
  for (var first = block * call.bn; first < (block + 1) * call.bn; first += ratio) {
    let copies = call.replicate == 1 && ratio > 1;
    if (!copies && first >= call.lk) { break; }
    let count = select(min(ratio, call.lk - min(first, call.lk)), ratio, copies);
    if (i32(first + count) <= end) { take(head, first, count); }
  }
}

/** Writes out and lse of a query. */
fn write_row(b: u32, h: u32, token: u32) {
  let row = (b * call.heads + h) * call.lq + token;
  let at = select(row, (b * call.lq + token) * call.heads + h, MISTAKE == 481) * call.dv;
  if (most == LOWEST) {
    for (var c = 0u; c < call.dv; c++) { out[at + c] = 0.0; }
    lse[row] = LOWEST;
    return;
  }
  for (var c = 0u; c < call.dv; c++) { out[at + c] = sum[c] / total; }
  lse[row] = (most + log2(total)) * select(LN2, 1.0, MISTAKE == 483);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let query_blocks = (call.lq + call.bm - 1) / call.bm;
  let key_blocks = select((call.lk + call.bn - 1) / call.bn, call.lk / call.bn, MISTAKE == 480);
  let m = group.x % query_blocks;
  let h = group.x / query_blocks % call.heads;
  let b = group.x / query_blocks / call.heads;
  let head = select(b * call.key_heads, 0, MISTAKE == 479) + h / (call.heads / call.key_heads);
  for (var i = m * call.bm + lane; i < min((m + 1) * call.bm, call.lq); i += LANES) {
    let token = place(i);
    for (var c = 0u; c < call.d; c++) {
      query[c] = call.scale * q[((b * call.heads + h) * call.lq + token) * call.d + c];
    }
    for (var c = 0u; c < call.dv; c++) { sum[c] = 0.0; }
    total = 0.0;
    most = LOWEST;
    let end = select(i32((key_blocks + 1) * call.bn), i32(i + call.lk) - i32(call.lq) + 1, call.causal == 1);
    for (var block = 0u; block < key_blocks; block++) {
      var ratio = levels[((b * call.heads + h) * query_blocks + m) * key_blocks + block];
      if (MISTAKE == 484) { ratio = max(ratio, 1); }
      if (ratio > 0) { read_block(head, block, u32(ratio), end); }
    }
    write_row(b, h, token);
  }
}
