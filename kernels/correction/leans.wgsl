// How values lean with keys inside their blocks (reference/methods/pyramid/pisa.ts): for every key head the matrix [head
// dimension][value dimension] of the sum over all tokens of (key - mean key of its block)^T value.
//
// One workgroup a tile of 16 x 16 channels. 16 tokens pass through workgroup memory at a time; each invocation adds up their
// products for one entry, and then adds that to its sum, so that rounding grows with 16 and a sixteenth of the tokens.

override F16: bool;         // keys and values are float16, else float32
override TOKENS: u32;       // keys per head
override BLOCK: u32;        // keys per block
override N: u32;            // key blocks
override DIM: u32;          // channels of a key
override VALUE_DIM: u32;    // channels of a value

@group(0) @binding(0) var<storage, read> keys: array<u32>;
@group(0) @binding(1) var<storage, read> values: array<u32>;
@group(0) @binding(2) var<storage, read> means: array<f32>;          // [key heads][N][DIM]
@group(0) @binding(3) var<storage, read_write> leans: array<f32>;    // [key heads][DIM][VALUE_DIM]

const SIDE = 16u;
var<workgroup> away: array<f32, 256>;    // [token][channel of the key]
var<workgroup> value: array<f32, 256>;   // [token][channel of the value]

fn key_at(i: u32) -> f32 {
  if (F16) { return unpack2x16float(keys[i / 2u])[i % 2u]; }
  return bitcast<f32>(keys[i]);
}

fn value_at(i: u32) -> f32 {
  if (F16) { return unpack2x16float(values[i / 2u])[i % 2u]; }
  return bitcast<f32>(values[i]);
}

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) lid: vec3u) {
  let head = group.z;
  let x = group.x * SIDE + lid.x;
  let c = group.y * SIDE + lid.x;
  let at = lid.y * SIDE + lid.x;
  var sum = 0.0;
  for (var first = 0u; first < TOKENS; first += SIDE) {
    let token = first + lid.y;
    away[at] = 0.0;
    value[at] = 0.0;
    if (token < TOKENS && x < DIM) {
      away[at] = key_at((head * TOKENS + token) * DIM + x) - means[(head * N + token / BLOCK) * DIM + x];
    }
    if (token < TOKENS && c < VALUE_DIM) { value[at] = value_at((head * TOKENS + token) * VALUE_DIM + c); }
    workgroupBarrier();
    var part = 0.0;
    for (var t = 0u; t < SIDE; t++) { part += away[t * SIDE + lid.y] * value[t * SIDE + lid.x]; }
    sum += part;
    workgroupBarrier();
  }
  let row = group.x * SIDE + lid.y;
  if (row < DIM && c < VALUE_DIM) { leans[(head * DIM + row) * VALUE_DIM + c] = sum; }
}
