// Similarity cap (docs/definition.md#cap): how far each key block may be pooled, from the keys alone.
//
// One workgroup owns one key block. For every measured ratio, an invocation takes a group of `ratio` tokens, reads
// its first and last key, 16 bytes at a time, and has their cosine; the workgroup adds the cosines up. The largest
// ratio whose mean passes its threshold is the cap, else 1. Keys are read once from memory and then from cache, which
// is all that this kernel costs.

override PIECES: u32;       // four-channel pieces per key
override TOKENS: u32;       // tokens per head
override BLOCK: u32;        // tokens per key block
override RATIOS: u32;       // measured ratios

struct Threshold { ratio: u32, threshold: f32 }

@group(0) @binding(1) var<storage, read> thresholds: array<Threshold>;
@group(0) @binding(2) var<storage, read_write> caps: array<u32>;

const THREADS = 64u;
var<workgroup> partial: array<f32, 64>;

// The cosine of the angle between two keys, given by their first pieces; 0 if one has no length.
fn cosine(first: u32, last: u32) -> f32 {
  var product = 0.0;
  var squares = vec2f();
  for (var i = 0u; i < PIECES; i++) {
    let a = channels(first + i);
    let b = channels(last + i);
    product += dot(a, b);
    squares += vec2f(dot(a, a), dot(b, b));
  }
  let length = sqrt(squares.x) * sqrt(squares.y);
  return select(0.0, product / length, length > 0.0);
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lid: u32,
) {
  let token = group.x * BLOCK;
  let row = group.y * TOKENS;
  var cap = 1u;
  for (var t = 0u; t < RATIOS; t++) {
    let ratio = thresholds[t].ratio;
    var sum = 0.0;
    for (var g = lid * ratio; g < BLOCK; g += THREADS * ratio) {
      let first = min(token + g, TOKENS - 1u);
      let last = min(token + g + ratio - 1u, TOKENS - 1u);
      sum += cosine((row + first) * PIECES, (row + last) * PIECES);
    }
    partial[lid] = sum;
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
      workgroupBarrier();
      if (lid < half) { partial[lid] += partial[lid + half]; }
    }
    workgroupBarrier();
    let mean = partial[0] * f32(ratio) / f32(BLOCK);
    if (mean > thresholds[t].threshold) { cap = max(cap, ratio); }
    workgroupBarrier();
  }
  if (lid == 0u) { caps[group.y * groups.x + group.x] = cap; }
}
