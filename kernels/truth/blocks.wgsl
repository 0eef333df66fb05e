// What key blocks are to query rows or to query blocks, from rows of scores or weights in float64.
//
// MAXIMA: the largest score of each row in each key block, [rows of all tiles][N]. Otherwise the sum of the weights of
// each pair of blocks, [M][N]. An invocation owns one result and adds up, or compares, row by row.

override MAXIMA: bool;
override N: u32; // key blocks

@group(0) @binding(1) var<storage, read> scores: array<f64>;        // [rows of the chunk][width]
@group(0) @binding(2) var<storage, read_write> result: array<f64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let j = group.x * 64u + lid;
  if (j >= N) { return; }
  let end = min((j + 1u) * call.key_block, call.columns);
  let stride = select(tiles_of_block() * 64u, 1u, MAXIMA); // rows of the chunk between one result and the next
  let first = call.first_tile * 64u / stride + group.y;
  let rows = select(min(call.block, call.rows - first * call.block), 1u, MAXIMA);
  var most = HIDDEN;
  var sum = 0.0lf;
  for (var i = 0u; i < rows; i++) {
    let row = (group.y * stride + i) * call.width;
    for (var t = j * call.key_block; t < end; t++) {
      most = max(most, scores[row + t]);
      sum += scores[row + t];
    }
  }
  result[first * N + j] = select(sum, most, MAXIMA);
}
