// Pyramid attention, one invocation a row: no tiles, no shared memory. MISTAKE plants a mistake; 0 is right.
// Numbers are read in fours: dimensions are multiples of 4, and software Vulkan ends loops after 65535 steps.
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

/** Tokens [first, first + covered) of a pooled token; of them `real` are there. */
struct Window { first: u32, covered: u32, real: u32 }

fn window(block: u32, ratio: u32, t: u32) -> Window {
  let first = block * call.bn + t * ratio;
  let real = min(ratio, call.lk - min(first, call.lk));
  let padded = call.replicate == 1 && ratio > 1 && MISTAKE != 24;
  return Window(first, select(real, ratio, padded), real);
}

fn token(at: u32) -> u32 { return u32(order[min(at, call.lk - 1)]); }

/** Four numbers of the mean of the keys of a window. */
fn key(head: u32, w: Window, c: u32) -> vec4f {
  if (w.covered == 1) { return k[(head * call.lk + token(w.first)) * (call.d / 4) + c]; }
  var sum = vec4f();
  for (var n = 0u; n < w.covered; n++) { sum += k[(head * call.lk + token(w.first + n)) * (call.d / 4) + c]; }
  return sum / f32(w.covered);
}

fn value(head: u32, w: Window, c: u32) -> vec4f {
  let stride = select(call.dv, call.d, MISTAKE == 22) / 4;
  if (w.covered == 1) { return v[(head * call.lk + token(w.first)) * stride + c]; }
  var sum = vec4f();
  for (var n = 0u; n < w.covered; n++) { sum += v[(head * call.lk + token(w.first + n)) * stride + c]; }
  return sum / f32(w.covered);
}

fn hidden(w: Window, row: u32) -> bool {
  if (call.causal == 0) { return false; }
  let last = select(w.first + w.covered - 1, w.first, MISTAKE == 24);
  return i32(last) > i32(row) + i32(call.lk) - i32(call.lq);
}

fn score(source: u32, head: u32, w: Window) -> f32 {
  var product = 0.0;
  for (var c = 0u; c < call.d / 4; c++) { product += dot(q[source * (call.d / 4) + c], key(head, w, c)); }
  return product * call.scale + log(f32(w.covered));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= call.batch * call.heads * call.lq) { return; }
  let row = id.x % call.lq;
  let pair = id.x / call.lq;
  let source = pair * call.lq + token_of_query(row);
  var key_head = pair % call.heads / (call.heads / call.key_heads);
  if (MISTAKE == 21) { key_head = pair % call.heads % call.key_heads; }
  let head = pair / call.heads * call.key_heads + key_head;
  let blocks = (call.lk + call.bn - 1) / call.bn;
  let first_level = (pair * ((call.lq + call.bm - 1) / call.bm) + row / call.bm) * blocks;
  for (var c = 0u; c < call.dv / 4; c++) { out[source * (call.dv / 4) + c] = vec4f(); }
  var most = LOWEST;
  var total = 0.0;
  for (var block = 0u; block < blocks; block++) {
    var ratio = u32(levels[first_level + block]);
    if (ratio == 0) { continue; }
    if (MISTAKE == 23) { ratio = min(ratio, 8u); }
    for (var t = 0u; t < call.bn / ratio; t++) {
      let w = window(block, ratio, t);
      if (w.real == 0 && !(call.replicate == 1 && ratio > 1 && MISTAKE != 24)) { continue; }
      if (hidden(w, row)) { continue; }
      let s = score(source, head, w);
      let higher = max(most, s);
      let kept = select(exp(most - higher), 0.0, most == LOWEST);
      let weight = exp(s - higher);
      total = total * kept + weight;
      for (var c = 0u; c < call.dv / 4; c++) {
        let at = source * (call.dv / 4) + c;
        out[at] = out[at] * kept + weight * value(head, w, c);
      }
      most = higher;
    }
  }
  lse[source] = most + log(max(total, 1e-30));
  if (total == 0.0) { lse[source] = LOWEST; } // the host makes minus infinity of it
  for (var c = 0u; c < call.dv / 4; c++) { out[source * (call.dv / 4) + c] /= select(1.0, total, total > 0.0); }
}

fn token_of_query(at: u32) -> u32 { return u32(order[at]); }
