// Pyramid attention, one workgroup of 32 lanes a row: a lane scores a pooled token, then the lanes share the channels of the
// output. Key blocks are walked level by level, the finest first. MISTAKE plants a mistake; 0 is right. Dimensions are at most
// 256.
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
const LANES = 32u;
const LN2 = 0.6931471805599453;

var<workgroup> scores: array<f32, LANES>;

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

fn is_seen(first: u32, count: u32, ratio: u32, position: i32) -> bool {
  if (count == 0) { return false; }
  if (call.causal == 0) { return true; }
  if (MISTAKE == 421) { return i32(first + count / 2) <= position; }
  if (MISTAKE == 422 && ratio > 1) { return i32(first + count) <= position; }
  return i32(first + count) - 1 <= position;
}

/** The score of a pooled token: the mean of its tokens' products with the query, and its log term. */
fn score_of(source: u32, head: u32, first: u32, count: u32) -> f32 {
  var sum = 0.0;
  for (var c = 0u; c < call.d; c++) {
    var key = 0.0;
    for (var n = 0u; n < count; n++) { key += k[(head * call.lk + place(min(first + n, call.lk - 1))) * call.d + c]; }
    sum += q[source * call.d + c] * (key / f32(count));
  }
  return sum * call.scale + log(f32(count));
}

fn value_of(head: u32, first: u32, count: u32, channel: u32) -> f32 {
  var sum = 0.0;
  for (var n = 0u; n < count; n++) { sum += v[(head * call.lk + place(min(first + n, call.lk - 1))) * call.dv + channel]; }
  return sum / f32(count);
}

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let pair = group.x / call.lq;
  let row = group.x % call.lq;
  let blocks = (call.lq + call.bm - 1) / call.bm;
  let columns = (call.lk + call.bn - 1) / call.bn;
  let list = (pair * blocks + row / call.bm) * columns;
  let head = pair / call.heads * call.key_heads + pair % call.heads / (call.heads / call.key_heads);
  let source = pair * call.lq + place(row);
  let position = i32(row) + i32(call.lk) - i32(call.lq);
  var acc: array<f32, 8>;
  var most = LOWEST;
  var total = 0.0;
  var ended = false;
  for (var ratio = 1u; ratio <= call.bn; ratio *= 2) {
    for (var block = 0u; block < columns; block++) {
      if (u32(levels[list + block]) != ratio || ended) { continue; }
      if (call.causal == 1 && i32(block * call.bn) > position) {
        ended = MISTAKE == 420;
        continue;
      }
      for (var begin = 0u; begin < call.bn / ratio; begin += LANES) {
        let tokens = min(LANES, call.bn / ratio - begin);
        let first = block * call.bn + begin * ratio;
        let own = first + lane * ratio;
        let count = count_of(own, ratio);
        var score = LOWEST;
        if (lane < tokens && is_seen(own, count, ratio, position)) { score = score_of(source, head, own, count); }
        workgroupBarrier();
        scores[lane] = score;
        workgroupBarrier();
        var now = most;
        for (var n = 0u; n < tokens; n++) { now = max(now, scores[n]); }
        if (now > LOWEST) {
          let old = exp(most - now);
          total *= old;
          for (var i = 0u; i < 8; i++) { acc[i] *= old; }
          for (var n = 0u; n < tokens; n++) {
            if (scores[n] == LOWEST) { continue; }
            let weight = exp(scores[n] - now);
            let at = first + n * ratio;
            total += weight;
            for (var i = 0u; i * LANES + lane < call.dv; i++) {
              acc[i] += weight * value_of(head, at, count_of(at, ratio), i * LANES + lane);
            }
          }
        }
        most = now;
      }
    }
  }
  for (var i = 0u; i * LANES + lane < call.dv; i++) {
    out[source * call.dv + i * LANES + lane] = select(0.0, acc[i] / total, total > 0);
  }
  if (lane > 0) { return; }
  let sum = select(log(total), log2(total), MISTAKE == 422);
  lse[source] = select(LOWEST, most + sum, total > 0);
}
