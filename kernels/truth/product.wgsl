// Products in float64, twice in attention: scores from queries and keys, and outputs from weights and values; and twice
// in its gradient: products of output gradients and values, and gradients of queries from those of scores and keys.
//
// Plain tiled matrix multiplication: a workgroup of 256 invocations makes a tile of 64 x 64 results, each invocation
// 4 x 4 of them in registers, from pieces of 64 x 16 of both factors in workgroup memory (17 KiB), with float64 in every
// place. The right factor's rows are gathered through a list, so that dense attention (a list of all keys) and attention
// over the pyramid (each query block has a list of pooled tokens) are the same kernel. A template, because loops over
// registers have to be unrolled in the text.
//
// OUTPUTS false: scores[row][t] = scale * queries[row] . keys[list[t]] + bias[list[t]], or HIDDEN behind the list's end
// and where a causal row's position lies before the last token that t covers.
// OUTPUTS false, PLAIN true: scores[row][t] = queries[row] . keys[list[t]], or 0 behind the list's end.
// OUTPUTS true: outputs[row][c] = sum over t of weights[row][t] * values[list[t]][c].

@group(0) @binding(1) var<storage, read> left: array<f64>;        // queries [rows][DIM], or weights [tiles * 64][width]
@group(0) @binding(2) var<storage, read> right: array<f64>;       // keys or values, [pooled tokens][DIM]
@group(0) @binding(3) var<storage, read> lists: array<u32>;       // rows of `right`
@group(0) @binding(4) var<storage, read> lengths: array<u32>;     // of the lists, by query block of the chunk
//#if OUTPUTS
@group(0) @binding(5) var<storage, read_write> result: array<f64>; // [rows][DIM]
//#else
@group(0) @binding(5) var<storage, read_write> result: array<f64>; // [tiles * 64][width]
//#if !PLAIN
@group(0) @binding(6) var<storage, read> tokens: array<Token>;     // by row of `right`
@group(0) @binding(7) var<storage, read> scale: array<f64>;        // [1]

struct Token { bias: f64, last: i32, unused: i32 }                 // ln(count), and the last position that it covers
//#end
//#end

var<workgroup> a: array<array<f64, 65>, 16>;
var<workgroup> b: array<array<f64, 65>, 16>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let tile = call.first_tile + group.y;
  let block = tile / tiles_of_block() - call.first_tile / tiles_of_block(); // within the chunk
  let list = block * call.list_stride;
  let length = lengths[select(block, 0u, call.list_stride == 0u)];
  let tx = lid % 16u;
  let ty = lid / 16u;
//#for i in 0 .. 4
//#for j in 0 .. 4
  var s#{i}_#{j} = 0.0lf;
//#end
//#end
  for (var first = 0u; first < #{OUTPUTS ? "length" : DIM + "u"}; first += 16u) {
    workgroupBarrier();
//#for n in 0 .. 4
    {
//#if OUTPUTS
      let i = ty + #{16 * n}u;
      let t = first + tx;
      a[tx][i] = left[(group.y * 64u + i) * call.width + t];
      let c = group.x * 64u + (lid & 63u);
      let t_b = first + lid / 64u + #{4 * n}u;
      b[lid / 64u + #{4 * n}u][lid & 63u] = 0.0lf;
      if (c < #{DIM}u && t_b < length) { b[lid / 64u + #{4 * n}u][lid & 63u] = right[lists[list + t_b] * #{DIM}u + c]; }
//#else
      let i = ty + #{16 * n}u;
      let c = first + tx;
      let row = row_of(tile, i);
      a[tx][i] = 0.0lf;
      if (row < call.rows && c < #{DIM}u) { a[tx][i] = left[row * #{DIM}u + c]; }
      let t = group.x * 64u + i;
      b[tx][i] = 0.0lf;
      if (t < length && c < #{DIM}u) { b[tx][i] = right[lists[list + t] * #{DIM}u + c]; }
//#end
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
    let row = row_of(tile, ty + #{16 * i}u);
//#if OUTPUTS
    let c = group.x * 64u + tx + #{16 * j}u;
    if (row < call.rows && c < #{DIM}u) { result[row * #{DIM}u + c] = s#{i}_#{j}; }
//#else
    let t = group.x * 64u + tx + #{16 * j}u;
//#if PLAIN
    let score = s#{i}_#{j};
//#else
    var score = HIDDEN;
    if (t < length) {
      let token = tokens[lists[list + t]];
      if (token.last <= i32(row) + call.shift) { score = s#{i}_#{j} * scale[0] + token.bias; }
    }
//#end
    result[(group.y * 64u + ty + #{16 * i}u) * call.width + t] = score;
//#end
  }
//#end
//#end
}
