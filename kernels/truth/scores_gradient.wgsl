// Gradients of scores in float64: ds = p (dp - delta + dlse), in the place of dp = dout . v.
//
// A workgroup owns a row, adds up delta = sum of p dp, and walks through it once more. Tokens that a row does not see have
// p = 0, and so has a row that sees nothing: their gradients are 0. Rows that the head does not have get 0 too, since
// their dp is 0.

@group(0) @binding(1) var<storage, read> weights: array<f64>;         // p, [rows of the chunk][width]
@group(0) @binding(2) var<storage, read_write> gradients: array<f64>; // dp, then ds, [rows of the chunk][width]
@group(0) @binding(3) var<storage, read> lse_gradient: array<f64>;    // dlse, [rows of the head]

const THREADS = 256u;
var<workgroup> part: array<f64, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let begin = group.x * call.width;
  let row = row_of(call.first_tile + group.x / 64u, group.x % 64u);
  var sum = 0.0lf;
  for (var t = lid; t < call.width; t += THREADS) { sum = fma(weights[begin + t], gradients[begin + t], sum); }
  part[lid] = sum;
  for (var half = THREADS / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lid < half) { part[lid] += part[lid + half]; }
  }
  workgroupBarrier();
  var shift = -part[0];
  if (row < call.rows) { shift += lse_gradient[row]; }
  for (var t = lid; t < call.width; t += THREADS) {
    gradients[begin + t] = select(0.0lf, weights[begin + t] * (gradients[begin + t] + shift), row < call.rows);
  }
}
