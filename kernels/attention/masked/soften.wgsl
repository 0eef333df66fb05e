// Softmax of rows of scores, in place: one workgroup a row. A maximum and a sum over the row by trees, then every score
// becomes its share. Behind reduced.wgsl.

override UNITS: u32;        // keys
override GROUP: u32;        // query heads a key head

@group(0) @binding(0) var<storage, read> chunk: array<u32>;          // first key head, first query, queries
@group(0) @binding(1) var<storage, read_write> scores: array<f32>;   // [key heads of the chunk][its queries][GROUP][UNITS]

const THREADS = 256u;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let row = ((group.z * chunk[2] + group.x) * GROUP + group.y) * UNITS;
  var top = -3.4e38;
  for (var u = lid; u < UNITS; u += THREADS) { top = max(top, scores[row + u]); }
  top = reduced(top, lid, LARGEST);
  var sum = 0.0;
  for (var u = lid; u < UNITS; u += THREADS) { sum += exp(scores[row + u] - top); }
  sum = reduced(sum, lid, SUM);
  for (var u = lid; u < UNITS; u += THREADS) { scores[row + u] = exp(scores[row + u] - top) / sum; }
}
