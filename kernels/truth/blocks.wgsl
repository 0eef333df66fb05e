// Reduces rows of scores or weights in float64 to one number for each key block.
//
// MAXIMA: the largest score of each row in each key block, [rows of all tiles][N]; an invocation owns one result.
// Otherwise the sum of the weights of each pair of blocks, [M][N]: a workgroup owns one result, and its invocations read
// neighbouring weights of a row at a time. Rows lie megabytes apart: an invocation that walked down a column alone would
// wait for memory at each step.

override MAXIMA: bool;
override N: u32; // key blocks

@group(0) @binding(1) var<storage, read> scores: array<f64>;        // [rows of the chunk][width]
@group(0) @binding(2) var<storage, read_write> result: array<f64>;

const THREADS = 64u;
var<workgroup> part: array<f64, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  if (MAXIMA) {
    let j = group.x * THREADS + lid;
    if (j >= N) { return; }
    let end = min((j + 1u) * call.key_block, call.columns);
    let row = group.y * call.width;
    var most = HIDDEN;
    for (var t = j * call.key_block; t < end; t++) { most = max(most, scores[row + t]); }
    result[(call.first_tile * 64u + group.y) * N + j] = most;
    return;
  }
  let j = group.x;
  let end = min((j + 1u) * call.key_block, call.columns);
  let stride = tiles_of_block() * 64u; // rows of the chunk between one query block and the next
  let m = call.first_tile / tiles_of_block() + group.y;
  let rows = min(call.block, call.rows - m * call.block);
  var sum = 0.0lf;
  for (var i = 0u; i < rows; i++) {
    let row = (group.y * stride + i) * call.width;
    for (var t = j * call.key_block + lid; t < end; t += THREADS) { sum += scores[row + t]; }
  }
  part[lid] = sum;
  for (var half = THREADS / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lid < half) { part[lid] += part[lid + half]; }
  }
  if (lid == 0u) { result[m * N + j] = part[0]; }
}
