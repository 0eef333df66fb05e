// Attention of query blocks whose keys several workgroups have shared (splits.ts): adds up their partial results.
//
// Each part has left, for every row, its outputs, the maximum of its scores, and the sum of its weights against that maximum,
// all in float32. Weights are brought to the largest of the maxima: a part counts with 2^(own - largest) times
// its sum. A part in which the row saw no key has a sum of 0; its outputs are not read, so they may be NaN. A sum that is
// NaN counts: compilers may take `!=` for false where a number is NaN, so it is asked whether the sum equals 0.
// An invocation makes one piece of 16 bytes of a row. It reads 4 bytes per channel and part, where attention has read
// at least 128 keys for every part. Blocks that are not shared are not touched.

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read> partials: array<vec4f>;  // [shared blocks][parts][rows of a block][outputs, maximum and sum]
//#if F16
@group(0) @binding(2) var<storage, read_write> out: array<vec4<u32>>;
//#else
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;
//#end
@group(0) @binding(3) var<storage, read_write> lse: array<f32>;
//#if !DENSE
@group(0) @binding(4) var<storage, read> offsets: array<u32>;    // of work lists; then their rows, longest first
//#end

// Where a part has its results of a row of the shared blocks.
fn place_of(row: u32, part: u32) -> u32 {
  return ((row / #{ROWS}u * call.parts + part) * #{BM}u + row % #{ROWS}u) * #{PITCH}u;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lid: u32) {
  let index = (wg.y * grid.x + wg.x) * 64u + lid;
  let across = #{PIECES / (F16 ? 2 : 1)}u;
  let shared_row = index / across;
  let piece = index % across;
  if (shared_row >= call.shared_blocks * #{ROWS}u) { return; }
  let turn = #{SHARED_LAST ? "call.first_shared + " : ""}shared_row / #{ROWS}u;
//#if DENSE
  let block_row = #{HEADS_IN_TURN > 1 ? "row_in_turn(turn)" : "turn"};
//#else
  let block_row = offsets[call.rows + 1u + turn];
//#end
  let block = #{DENSE && CAUSAL ? "call.blocks - 1u - block_row % call.blocks" : "block_row % call.blocks"};
  let token = block * #{BM}u + shared_row % #{ROWS}u;
  if (token >= call.seq_q) { return; }
  let row = block_row / call.blocks * call.seq_q + token;
  var top = -1e30;
  for (var part = 0u; part < call.parts; part++) {
    let sums = partials[place_of(shared_row, part) + #{PITCH - 1}u];
    if (!(sums.y == 0.0)) { top = max(top, sums.x); }
  }
  var total = 0.0;
//#for h in 0 .. F16 ? 2 : 1
  var out#{h} = vec4f();
//#end
  for (var part = 0u; part < call.parts; part++) {
    let place = place_of(shared_row, part);
    let sums = partials[place + #{PITCH - 1}u];
    if (!(sums.y == 0.0)) {
      let weight = exp2(sums.x - top) * sums.y;
      total += weight;
//#for h in 0 .. F16 ? 2 : 1
      out#{h} = fma(vec4f(weight), partials[place + piece * #{F16 ? 2 : 1}u + #{h}u], out#{h});
//#end
    }
  }
  let empty = total == 0.0;
  let inverse = select(1.0 / total, 0.0, empty);
//#if F16
  let a = out0 * inverse;
  let b = out1 * inverse;
  out[row * across + piece] = vec4<u32>(pack2x16float(a.xy), pack2x16float(a.zw), pack2x16float(b.xy), pack2x16float(b.zw));
//#else
  out[row * across + piece] = out0 * inverse;
//#end
  if (piece == 0u) {
    lse[row] = select((top + log2(total)) * 0.6931471805599453, call.minus_infinity, empty);
  }
}
