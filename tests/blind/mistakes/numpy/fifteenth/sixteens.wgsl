// Pyramid attention, an invocation for a query row: pooled tokens of a key block in tiles of 16, a running maximum that is raised
// once a tile. MISTAKE plants a mistake by its number; 0 is right. Dimensions are multiples of 4 up to 256.
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
const TILE = 16u;

var<private> query: array<vec4f, 64>;
var<private> sum: array<vec4f, 64>;
var<private> total: f32;
var<private> most: f32;
var<private> score: array<f32, TILE>;
var<private> begin: array<u32, TILE>;
var<private> size: array<u32, TILE>;
var<private> filled: u32;
var<private> first_token: bool;

/** Where a token lies in memory. */
fn place(token: u32) -> u32 {
  let last = min(token, call.lk - 1);
  if (last < arrayLength(&order)) { return u32(order[last]); }
  return last;
}

fn key_at(at: u32) -> vec4f { return vec4f(k[at], k[at + 1], k[at + 2], k[at + 3]); }
fn value_at(at: u32) -> vec4f { return vec4f(v[at], v[at + 1], v[at + 2], v[at + 3]); }

/** Puts a pooled token into the tile. */
fn fill(head: u32, first: u32, count: u32) {
  var product = 0.0;
  for (var i = 0u; i < count; i++) {
    let at = (head * call.lk + place(first + i)) * call.d;
    for (var c = 0u; c < call.d / 4; c++) { product += dot(query[c], key_at(at + 4 * c)); }
  }
  score[filled] = product / f32(count) + log(f32(count));
  begin[filled] = first;
  size[filled] = count;
  filled++;
}

/** Takes the tile into the running softmax, and empties it. */
fn flush(head: u32) {
  if (filled == 0) { return; }
  var higher = most;
  for (var t = 0u; t < filled; t++) { higher = max(higher, score[t]); }
  let before = select(exp(most - higher), 0.0, most == LOWEST);
  // 487: the branch for tiles that are not full has half of the channels.
  let wide = select(call.dv / 4, call.dv / 8, MISTAKE == 487 && filled < TILE);
  total *= before;
  for (var c = 0u; c < wide; c++) { sum[c] *= before; }
  for (var t = 0u; t < filled; t++) {
    if (MISTAKE == 500 && first_token) { first_token = false; continue; }
    let weight = exp(score[t] - higher);
    total += weight;
    for (var i = 0u; i < size[t]; i++) {
      let at = (head * call.lk + place(begin[t] + i)) * call.dv;
      for (var c = 0u; c < wide; c++) { sum[c] += weight / f32(size[t]) * value_at(at + 4 * c); }
    }
  }
  most = higher;
  filled = 0;
}

/** Reads key block `block` at a level; a query sees what ends before `end`. */
fn read_block(head: u32, block: u32, ratio: u32, end: i32) {
  let copies = call.replicate == 1 && ratio > 1;
  for (var first = block * call.bn; first < (block + 1) * call.bn; first += ratio) {
    if (!copies && first >= call.lk) { break; }
    let count = select(min(ratio, call.lk - min(first, call.lk)), ratio, copies);
    if (i32(first + count) > end) { break; }
    fill(head, first, count);
    if (filled == TILE) { flush(head); }
  }
  flush(head);
}

/** Writes out and lse of a row. */
fn write_row(row: u32) {
  let divisor = select(total, 1.0 + total, MISTAKE == 494);
  for (var c = 0u; c < call.dv; c++) {
    out[row * call.dv + c] = select(sum[c / 4][c % 4] / divisor, 0.0, total == 0.0);
  }
  let logarithm = select(log(divisor), log2(divisor), MISTAKE == 489);
  lse[row] = select(most + logarithm, LOWEST, total == 0.0);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= call.batch * call.heads * call.lq) { return; }
  let n = id.x / call.lq;
  let i = id.x % call.lq;
  let head = n / call.heads * call.key_heads + n % call.heads / (call.heads / call.key_heads);
  var token = i;
  if (i < arrayLength(&order)) { token = u32(order[i]); }
  let row = n * call.lq + token;
  for (var c = 0u; c < call.d; c++) { query[c / 4][c % 4] = call.scale * q[row * call.d + c]; }
  for (var c = 0u; c < 64; c++) { sum[c] = vec4f(); }
  total = 0.0;
  most = LOWEST;
  filled = 0;
  first_token = true;
  let query_blocks = (call.lq + call.bm - 1) / call.bm;
  let key_blocks = (call.lk + call.bn - 1) / call.bn;
  let end = select(i32((key_blocks + 1) * call.bn), i32(i + call.lk) - i32(call.lq) + 1, call.causal == 1);
  for (var block = 0u; block < key_blocks; block++) {
    let ratio = levels[(n * query_blocks + i / call.bm) * key_blocks + block];
    if (ratio > 0) { read_block(head, block, u32(ratio), end); }
  }
  write_row(row);
}
