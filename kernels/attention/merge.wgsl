// Attention of query blocks whose keys several workgroups have shared (splits.ts): adds up their partial results.
//
// Each split has written, for every row, the maximum of its scores, the sum of its weights against that maximum, and its
// outputs, all in float32. Weights are brought to the largest of the maxima: a split counts with 2^(own - largest) times
// its sum. A split in which the row saw no key has a sum of 0; its outputs are not read, so they may be NaN. A sum that is
// NaN counts: compilers may take `!=` for false where a number is NaN, so it is asked whether the sum equals 0.
// An invocation makes one piece of 16 bytes of a row. It reads splits * 4 bytes per channel, where attention has read
// at least 128 keys for every split.

override SPLITS: u32;
override ROWS: u32;     // query rows of all heads
override PIECES: u32;   // of four channels, a row of outputs

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read> parts: array<vec4f>;       // [SPLITS][ROWS][PIECES]
@group(0) @binding(2) var<storage, read> sums: array<vec2f>;        // [SPLITS][ROWS]: maximum and sum
//#if F16
@group(0) @binding(3) var<storage, read_write> out: array<vec4<u32>>;
//#else
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;
//#end
@group(0) @binding(4) var<storage, read_write> lse: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lid: u32) {
  let index = (wg.y * grid.x + wg.x) * 64u + lid;
  let across = PIECES / #{F16 ? 2 : 1}u;
  let row = index / across;
  if (row >= ROWS) { return; }
  var top = -1e30;
  for (var s = 0u; s < SPLITS; s++) {
    let part = sums[s * ROWS + row];
    if (!(part.y == 0.0)) { top = max(top, part.x); }
  }
  var total = 0.0;
//#for h in 0 .. F16 ? 2 : 1
  var out#{h} = vec4f();
//#end
  for (var s = 0u; s < SPLITS; s++) {
    let part = sums[s * ROWS + row];
    if (!(part.y == 0.0)) {
      let weight = exp2(part.x - top) * part.y;
      let at = s * ROWS * PIECES + index * #{F16 ? 2 : 1}u;
      total += weight;
//#for h in 0 .. F16 ? 2 : 1
      out#{h} = fma(vec4f(weight), parts[at + #{h}u], out#{h});
//#end
    }
  }
  let empty = total == 0.0;
  let inverse = select(1.0 / total, 0.0, empty);
//#if F16
  let a = out0 * inverse;
  let b = out1 * inverse;
  out[index] = vec4<u32>(pack2x16float(a.xy), pack2x16float(a.zw), pack2x16float(b.xy), pack2x16float(b.zw));
//#else
  out[index] = out0 * inverse;
//#end
  if (index % across == 0u) {
    lse[row] = select((top + log2(total)) * 0.6931471805599453, call.minus_infinity, empty);
  }
}
