// Gradients of tokens in float64: sums[token][c] += sum over rows of weights[row][t] * vectors[row][c], for the tokens of one
// list. With p and dout it is the gradient of values, with that of scores and queries the gradient of keys.
//
// The transposed product of product.wgsl, in the same tiles: a workgroup makes 64 tokens x 64 channels, each invocation
// 4 x 4 of them in registers, from pieces of 16 rows. A list holds a token once, so that nothing is added twice at the
// same time; lists of several query blocks follow one another, a dispatch each. A template, as product.wgsl is.

@group(0) @binding(1) var<storage, read> weights: array<f64>;    // [rows of the chunk][width]
@group(0) @binding(2) var<storage, read> vectors: array<f64>;    // [rows of the head][DIM]
@group(0) @binding(3) var<storage, read> lists: array<u32>;      // rows of `sums`
@group(0) @binding(4) var<storage, read> part: array<u32>;       // first tile in the chunk, tiles, begin of the list, its length
@group(0) @binding(5) var<storage, read_write> sums: array<f64>; // [tokens][DIM]

var<workgroup> a: array<array<f64, 65>, 16>;
var<workgroup> b: array<array<f64, 65>, 16>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let tx = lid % 16u;
  let ty = lid / 16u;
//#for i in 0 .. 4
//#for j in 0 .. 4
  var s#{i}_#{j} = 0.0lf;
//#end
//#end
  let last = 64u * (part[0] + part[1]);
  for (var first = 64u * part[0]; first < last; first += 16u) {
    workgroupBarrier();
//#for n in 0 .. 4
    {
      let i = lid / 64u + #{4 * n}u;
      let row = row_of(call.first_tile + (first + i) / 64u, (first + i) % 64u);
      let c = group.x * 64u + (lid & 63u);
      a[i][lid & 63u] = weights[(first + i) * call.width + group.y * 64u + (lid & 63u)];
      b[i][lid & 63u] = 0.0lf;
      if (row < call.rows && c < #{DIM}u) { b[i][lid & 63u] = vectors[row * #{DIM}u + c]; }
    }
//#end
    workgroupBarrier();
    for (var step = 0u; step < 16u; step++) {
//#for i in 0 .. 4
      let a#{i} = a[step][ty + #{16 * i}u];
      let b#{i} = b[step][tx + #{16 * i}u];
//#end
//#for i in 0 .. 4
//#for j in 0 .. 4
      s#{i}_#{j} = fma(a#{i}, b#{j}, s#{i}_#{j});
//#end
//#end
    }
  }
//#for i in 0 .. 4
//#for j in 0 .. 4
  {
    let t = group.y * 64u + ty + #{16 * i}u;
    let c = group.x * 64u + tx + #{16 * j}u;
    if (t < part[3] && c < #{DIM}u) { sums[lists[part[2] + t] * #{DIM}u + c] += s#{i}_#{j}; }
  }
//#end
//#end
}
