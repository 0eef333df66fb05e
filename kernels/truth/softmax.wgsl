// Softmax of rows of scores in float64, in place, and their log-sum-exps.
//
// A workgroup owns a row and walks through it three times: the largest score, the sum of the exponentials, which replace
// the scores, and the division. A row that sees nothing has weights 0 and the log-sum-exp HIDDEN, which the host reads
// as -Infinity.

@group(0) @binding(1) var<storage, read_write> scores: array<f64>; // [rows of the chunk][width]
@group(0) @binding(2) var<storage, read_write> lse: array<f64>;    // [rows of all tiles of the head]

const THREADS = 256u;
var<workgroup> part: array<f64, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let begin = group.x * call.width;
  let row = call.first_tile * 64u + group.x;
  var most = HIDDEN;
  for (var t = lid; t < call.width; t += THREADS) { most = max(most, scores[begin + t]); }
  part[lid] = most;
  for (var half = THREADS / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lid < half) { part[lid] = max(part[lid], part[lid + half]); }
  }
  workgroupBarrier();
  most = part[0];
  workgroupBarrier();
  if (most == HIDDEN) {
    for (var t = lid; t < call.width; t += THREADS) { scores[begin + t] = 0.0lf; }
    if (lid == 0u) { lse[row] = HIDDEN; }
    return;
  }
  var sum = 0.0lf;
  for (var t = lid; t < call.width; t += THREADS) {
    let weight = exp64(scores[begin + t] - most);
    scores[begin + t] = weight;
    sum += weight;
  }
  part[lid] = sum;
  for (var half = THREADS / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lid < half) { part[lid] += part[lid + half]; }
  }
  workgroupBarrier();
  sum = part[0];
  for (var t = lid; t < call.width; t += THREADS) { scores[begin + t] /= sum; }
  if (lid == 0u) { lse[row] = most + log64(sum); }
}
