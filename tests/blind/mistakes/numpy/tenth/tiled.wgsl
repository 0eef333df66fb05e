// Pyramid attention, one workgroup for 64 rows of a query block: means of 16 tokens at a time go to workgroup memory.
// MISTAKE plants a mistake; 0 is right. Dimensions are multiples of 4, at most 128.
override MISTAKE: u32 = 0;

struct Call {
  batch: u32, heads: u32, key_heads: u32, lq: u32, lk: u32, d: u32, dv: u32, bm: u32, bn: u32,
  causal: u32, replicate: u32,
  scale: f32,
}

@group(0) @binding(0) var<storage, read> call: Call;
@group(0) @binding(1) var<storage, read> q: array<vec4f>;
@group(0) @binding(2) var<storage, read> k: array<vec4f>;
@group(0) @binding(3) var<storage, read> v: array<vec4f>;
@group(0) @binding(4) var<storage, read> levels: array<i32>;
@group(0) @binding(5) var<storage, read> order: array<i32>;
@group(0) @binding(6) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> lse: array<f32>;

const LOWEST = -3.0e38;
const TILE = 16u;
const WIDTH = 32u;

var<workgroup> tile_keys: array<vec4f, 512>;
var<workgroup> tile_values: array<vec4f, 512>;

fn count_of(first: u32, ratio: u32) -> u32 {
  if (call.replicate == 1 && ratio > 1) { return ratio; }
  return min(ratio, call.lk - min(first, call.lk));
}

/** A mean of keys or values: four channels of `count` tokens from `first` on. */
fn mean(is_key: bool, head: u32, first: u32, count: u32, ratio: u32, c: u32) -> vec4f {
  var sum = vec4f();
  let steps = select(count, ratio, MISTAKE == 404);
  for (var n = 0u; n < steps; n++) {
    var at = first + n;
    if (MISTAKE == 404) {
      if (at < ratio / 2 || at - ratio / 2 >= call.lk) { continue; }
      at -= ratio / 2;
    }
    let row = head * call.lk + u32(order[min(at, call.lk - 1)]);
    if (is_key || (MISTAKE == 391 && ratio > 1)) { sum += k[row * (call.d / 4) + c]; }
    else { sum += v[row * (call.dv / 4) + c]; }
  }
  return sum / f32(max(steps, 1u));
}

fn is_seen(first: u32, count: u32, row: u32) -> bool {
  if (count == 0) { return false; }
  if (call.causal == 0) { return true; }
  let last = first + count - 1;
  if (MISTAKE == 400) { return last <= row + call.lk - call.lq; }
  let seen = i32(last) <= i32(row) + i32(call.lk) - i32(call.lq);
  return select(seen, !seen, MISTAKE == 404);
}

/** Tokens that are averaged at a level. */
fn ratio_of(level: u32) -> u32 {
  if (MISTAKE == 389 && level > 0) { return min(1u << (level - 1), call.bn); }
  return level;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let per_block = (call.bm + 63) / 64;
  let blocks = (call.lq + call.bm - 1) / call.bm;
  let program = group.x / per_block;
  let pair = program / blocks;
  let row = program % blocks * call.bm + group.x % per_block * 64 + lane;
  let inside = group.x % per_block * 64 + lane < call.bm && row < call.lq;
  let head = pair / call.heads * call.key_heads + pair % call.heads / (call.heads / call.key_heads);
  let source = pair * call.lq + u32(order[min(row, call.lq - 1)]);
  let columns = (call.lk + call.bn - 1) / call.bn;
  let per_key = call.d / 4;
  let per_value = call.dv / 4;
  var acc: array<vec4f, 32>;
  var most = LOWEST;
  var total = 0.0;
  for (var block = 0u; block < columns; block++) {
    let ratio = ratio_of(u32(levels[program * columns + block]));
    if (ratio == 0) { continue; }
    let rows = call.bn / ratio;
    for (var begin = 0u; begin < rows; begin += TILE) {
      workgroupBarrier();
      for (var n = lane; n < TILE * WIDTH; n += 64) {
        let first = block * call.bn + (begin + n / WIDTH) * ratio;
        let count = count_of(first, ratio);
        if (n % WIDTH < per_key) { tile_keys[n] = mean(true, head, first, count, ratio, n % WIDTH); }
        if (n % WIDTH < per_value) { tile_values[n] = mean(false, head, first, count, ratio, n % WIDTH); }
      }
      workgroupBarrier();
      for (var t = 0u; t < min(TILE, rows - begin); t++) {
        let first = block * call.bn + (begin + t) * ratio;
        let count = count_of(first, ratio);
        if (!inside || !is_seen(first, count, row)) { continue; }
        var score = 0.0;
        for (var c = 0u; c < per_key; c++) { score += dot(q[source * per_key + c], tile_keys[t * WIDTH + c]); }
        score = score * call.scale + log(f32(count));
        let now = max(most, score);
        let old = exp(most - now);
        let weight = exp(score - now);
        total = total * old + weight;
        for (var c = 0u; c < per_value; c++) { acc[c] = acc[c] * old + weight * tile_values[t * WIDTH + c]; }
        most = now;
      }
    }
  }
  if (!inside) { return; }
  for (var c = 0u; c < per_value; c++) { out[source * per_value + c] = select(vec4f(), acc[c] / total, total > 0); }
  lse[source] = select(LOWEST, most + log(total), total > 0);
}
