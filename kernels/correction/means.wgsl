// Mean values put back into the output of attention (reference/methods/mask/rectified.ts): every row of a query block becomes
// (1 - share) * out + the sum over key blocks of weight * mean value, where the share is the sum of the weights.
//
// One workgroup per query block of a head. Each invocation takes two neighbouring channels: it adds up the mean values once for the
// block, and then passes over the rows, so that neighbours read and write neighbouring bytes. The weights are the same for
// all invocations. It reads a mean value for every key block that has a weight, and the output once.

override F16: bool;         // the output is float16, else float32
override PAIRS: u32;        // pairs of channels of a value
override BLOCK: u32;        // queries per block
override M: u32;            // query blocks
override N: u32;            // key blocks
override TOKENS: u32;       // queries per head
override GROUP: u32;        // query heads a key head

@group(0) @binding(0) var<storage, read> weights: array<f32>;        // [heads][M][N]
@group(0) @binding(1) var<storage, read> means: array<vec2f>;        // [key heads][N][PAIRS]
@group(0) @binding(2) var<storage, read_write> out: array<u32>;      // [heads][TOKENS][channels]

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) pair: u32) {
  if (pair >= PAIRS) { return; }
  let head = group.y;
  let base = (head * M + group.x) * N;
  var share = 0.0;
  var added = vec2f();
  for (var j = 0u; j < N; j++) {
    let weight = weights[base + j];
    if (weight > 0.0) {
      share += weight;
      added += weight * means[(head / GROUP * N + j) * PAIRS + pair];
    }
  }
  let first = group.x * BLOCK;
  for (var i = first; i < min(first + BLOCK, TOKENS); i++) {
    let at = (head * TOKENS + i) * PAIRS + pair;
    if (F16) {
      out[at] = pack2x16float((1.0 - share) * unpack2x16float(out[at]) + added);
    } else {
      let old = vec2f(bitcast<f32>(out[2u * at]), bitcast<f32>(out[2u * at + 1u]));
      let corrected = bitcast<vec2u>((1.0 - share) * old + added);
      out[2u * at] = corrected.x;
      out[2u * at + 1u] = corrected.y;
    }
  }
}
