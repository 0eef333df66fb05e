// Pyramid attention, a workgroup for 8 rows of a query block with 8 lanes each: the lanes of a row share the pooled tokens of a
// tile, then the channels of the output. A tile of 16 pooled tokens lies in workgroup memory. MISTAKE plants a mistake; 0 is
// right. Dimensions are at most 128.
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
const ROWS = 8u;
const LANES = 8u;
const TILE = 16u;
const WIDEST = 128u;

var<workgroup> queries: array<f32, ROWS * WIDEST>;
var<workgroup> keys: array<f32, TILE * WIDEST>;
var<workgroup> values: array<f32, TILE * WIDEST>;
var<workgroup> scores: array<f32, ROWS * TILE>;

/** Where a token lies in memory; tokens behind those of the order stay where they are. */
fn place(token: u32) -> u32 {
  if (token < arrayLength(&order)) { return u32(order[token]); }
  return token;
}

/** How many tokens a pooled token stands for that begins at `first`. */
fn count_of(first: u32, ratio: u32) -> u32 {
  if (call.replicate == 1 && ratio > 1) { return ratio; }
  return min(ratio, call.lk - min(first, call.lk));
}

/** How many tokens are added up for a pooled token of `count` tokens. */
fn taken(count: u32, ratio: u32) -> u32 {
  return select(count, ratio, MISTAKE == 437);
}

fn is_seen(first: u32, ratio: u32, position: i32) -> bool {
  let count = count_of(first, ratio);
  if (count == 0) { return false; }
  if (call.causal == 0) { return true; }
  if (MISTAKE == 444 && ratio > 1) { return i32((first / call.bn + 1) * call.bn) - 1 <= position; }
  return i32(first + count) - 1 <= position;
}

/** Fills the tile with the pooled tokens that begin at `first`. */
fn fill(head: u32, first: u32, ratio: u32, tokens: u32, lane: u32) {
  for (var i = lane; i < tokens * WIDEST; i += ROWS * LANES) {
    let own = first + i / WIDEST * ratio;
    let c = i % WIDEST;
    let count = taken(count_of(own, ratio), ratio);
    var key = 0.0;
    var value = 0.0;
    for (var n = 0u; n < count; n++) {
      let token = head * call.lk + place(min(own + n, call.lk - 1));
      if (c < call.d) { key += k[token * call.d + c]; }
      if (c < call.dv) { value += v[token * call.dv + c]; }
    }
    keys[i] = key / f32(max(count, 1));
    values[i] = value / f32(max(count, 1));
  }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let blocks = (call.lq + call.bm - 1) / call.bm;
  let columns = (call.lk + call.bn - 1) / call.bn;
  let parts = (call.bm + ROWS - 1) / ROWS;
  let block = group.x / parts;
  let pair = block / blocks;
  let local = lane / LANES;
  let row = block % blocks * call.bm + group.x % parts * ROWS + local;
  let head = pair / call.heads * call.key_heads + pair % call.heads / (call.heads / call.key_heads);
  let source = pair * call.lq + place(min(row, call.lq - 1));
  let position = i32(row) + i32(call.lk) - i32(call.lq);
  let there = select((row < call.lq), (row > 0), MISTAKE == 438);
  for (var c = lane % LANES; c < call.d; c += LANES) {
    queries[local * WIDEST + c] = select(0.0, q[source * call.d + c] * call.scale, there);
  }
  let steps = select(WIDEST / LANES, 4u, MISTAKE == 444);
  var acc: array<f32, WIDEST / LANES>;
  var most = LOWEST;
  var total = 0.0;
  for (var j = 0u; j < columns; j++) {
    let ratio = u32(levels[block * columns + j]);
    if (ratio == 0) { continue; }
    for (var begin = 0u; begin < call.bn / ratio; begin += TILE) {
      let tokens = min(TILE, call.bn / ratio - begin);
      let first = j * call.bn + begin * ratio;
      workgroupBarrier();
      fill(head, first, ratio, tokens, lane);
      workgroupBarrier();
      for (var t = lane % LANES; t < tokens; t += LANES) {
        var score = LOWEST;
        if (is_seen(first + t * ratio, ratio, position)) {
          score = log(f32(count_of(first + t * ratio, ratio)));
          for (var c = 0u; c < call.d; c++) { score += queries[local * WIDEST + c] * keys[t * WIDEST + c]; }
        }
        scores[local * TILE + t] = score;
      }
      workgroupBarrier();
      var now = most;
      for (var t = 0u; t < tokens; t++) { now = max(now, scores[local * TILE + t]); }
      if (now > LOWEST) {
        let old = exp(most - now);
        total *= old;
        for (var i = 0u; i < steps; i++) { acc[i] *= old; }
        for (var t = 0u; t < tokens; t++) {
          if (scores[local * TILE + t] == LOWEST) { continue; }
          let weight = exp(scores[local * TILE + t] - now);
          total += weight;
          for (var i = 0u; i < steps; i++) { acc[i] += weight * values[t * WIDEST + i * LANES + lane % LANES]; }
        }
      }
      most = now;
    }
  }
  if (row >= call.lq) { return; }
  for (var i = 0u; i * LANES + lane % LANES < call.dv; i++) {
    out[source * call.dv + i * LANES + lane % LANES] = select(0.0, acc[i] / total, total > 0);
  }
  if (lane % LANES == 0) { lse[source] = select(LOWEST, most + log(total), total > 0); }
}
