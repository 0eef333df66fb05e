// Pyramid attention, a workgroup of 64 lanes, two subgroups, for a row: a lane scores a pooled token, 16 channels at a time; then
// the lanes share the channels of the output. Only key blocks that the causal diagonal crosses are masked. MISTAKE plants a
// mistake; 0 is right. Dimensions are at most 256.
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
const HALF = 32u;
const CHUNK = 16u;
const LN2 = 0.6931471805599453;

var<workgroup> query: array<f32, 256>;
var<workgroup> scores: array<f32, LANES>;
// What lanes that do not wait find in `scores`.
var<workgroup> before: array<f32, LANES>;

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

/** A channel of the mean of `count` keys. */
fn key_of(head: u32, first: u32, count: u32, channel: u32) -> f32 {
  var sum = 0.0;
  for (var n = 0u; n < count; n++) { sum += k[(head * call.lk + place(min(first + n, call.lk - 1))) * call.d + channel]; }
  return sum / f32(count);
}

fn value_of(head: u32, first: u32, count: u32, channel: u32) -> f32 {
  var sum = 0.0;
  for (var n = 0u; n < count; n++) { sum += v[(head * call.lk + place(min(first + n, call.lk - 1))) * call.dv + channel]; }
  return sum / f32(count);
}

/** The product of the query with a pooled key, a chunk of channels after the other. */
fn product(head: u32, first: u32, count: u32) -> f32 {
  var sum = 0.0;
  for (var begin = 0u; begin < call.d; begin += CHUNK) {
    for (var c = 0u; c < min(CHUNK, call.d - begin); c++) {
      sum += query[select(begin + c, c, MISTAKE == 452)] * key_of(head, first, count, begin + c);
    }
  }
  return sum;
}

/** Whether the causal rule has to be looked at in a key block, for a query block whose rows lie at `from` to `to`. */
fn is_masked(block: u32, from_position: i32, to_position: i32) -> bool {
  let first = i32(block * call.bn);
  if (MISTAKE == 463) { return first <= from_position && first + i32(call.bn) > from_position; }
  return first + i32(call.bn) > from_position && first <= to_position;
}

/** The score of a token of the tile as this lane finds it. */
fn found(n: u32, lane: u32) -> f32 {
  return select(scores[n], before[n], MISTAKE == 459 && lane >= HALF && n < HALF);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let pair = group.x / call.lq;
  let row = group.x % call.lq;
  let blocks = (call.lq + call.bm - 1) / call.bm;
  let columns = (call.lk + call.bn - 1) / call.bn;
  let list = (pair * blocks + row / call.bm) * columns;
  let head = pair / call.heads * call.key_heads + pair % call.heads / (call.heads / call.key_heads);
  let source = pair * call.lq + place(row);
  let offset = i32(call.lk) - i32(call.lq);
  let from_position = i32(row / call.bm * call.bm) + offset;
  let to_position = i32(min(row / call.bm * call.bm + call.bm, call.lq)) - 1 + offset;
  for (var c = lane; c < call.d; c += LANES) { query[c] = q[source * call.d + c] * call.scale; }
  before[lane] = 0.0;
  var acc: array<f32, 4>;
  var most = LOWEST;
  var total = 0.0;
  for (var block = 0u; block < columns; block++) {
    let ratio = u32(levels[list + block]);
    if (ratio == 0 || (call.causal == 1 && i32(block * call.bn) > to_position)) { continue; }
    let masked = call.causal == 1 && is_masked(block, from_position, to_position);
    for (var begin = 0u; begin < call.bn / ratio; begin += LANES) {
      let tokens = min(LANES, call.bn / ratio - begin);
      let first = block * call.bn + begin * ratio;
      let own = first + lane * ratio;
      let count = count_of(own, ratio);
      workgroupBarrier();
      var score = LOWEST;
      if (lane < tokens && count > 0 && !(masked && i32(own + count) - 1 > i32(row) + offset)) {
        score = product(head, own, count) + log(f32(count));
      }
      scores[lane] = score;
      workgroupBarrier();
      var now = most;
      for (var n = 0u; n < tokens; n++) { now = max(now, found(n, lane)); }
      if (now > LOWEST) {
        let old = exp(most - now);
        total *= old;
        for (var i = 0u; i < 4; i++) { acc[i] *= old; }
        for (var n = 0u; n < tokens; n++) {
          let at = first + n * ratio;
          let members = count_of(at, ratio);
          if (found(n, lane) == LOWEST || members == 0) { continue; }
          let weight = exp(found(n, lane) - now);
          total += weight;
          for (var i = 0u; i * LANES + lane < call.dv; i++) {
            acc[i] += weight * value_of(head, at, members, i * LANES + lane);
          }
        }
      }
      most = now;
      workgroupBarrier();
      before[lane] = scores[lane];
    }
  }
  for (var i = 0u; i * LANES + lane < call.dv; i++) {
    out[source * call.dv + i * LANES + lane] = select(0.0, acc[i] / total, total > 0);
  }
  if (lane > 0) { return; }
  let result = most + log(total);
  lse[source] = select(LOWEST, select(result, result * LN2, MISTAKE == 463), total > 0);
}
