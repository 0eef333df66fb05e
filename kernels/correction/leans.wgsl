// How values lean with keys inside their blocks (reference/methods/pyramid/pisa.ts): for every key head the matrix [head
// dimension][value dimension] of the sum over tokens of (key - mean key of its block)^T value, for some tokens at a time.
//
// It is a product of matrices with a small result and a long sum, so that the sum is shared: a workgroup takes a slice of the tokens
// and 64 x 64 channels, and slices_sum.wgsl adds the slices up. 16 tokens pass through workgroup memory at a time, as vectors
// of four channels; an invocation has 4 x 4 entries, 16 multiply-adds for two reads. It adds up the products of 16 tokens, and
// adds that to its sum, so that rounding grows with 16 and a sixteenth of the slice.

override F16: bool;         // keys and values are float16, else float32
override TOKENS: u32;       // keys per head
override SLICE: u32;        // tokens of a slice, a multiple of 16
override BLOCK: u32;        // keys per block
override N: u32;            // key blocks
override DIM: u32;          // channels of a key
override VALUE_DIM: u32;    // channels of a value

@group(0) @binding(0) var<storage, read> keys: array<u32>;
@group(0) @binding(1) var<storage, read> values: array<u32>;
@group(0) @binding(2) var<storage, read> means: array<f32>;          // [key heads][N][DIM]
@group(0) @binding(3) var<storage, read_write> leans: array<f32>;    // [slices][key heads][DIM][VALUE_DIM]

const SIDE = 64u;
const STEP = 16u;
var<workgroup> away: array<vec4f, 272>;    // [token][17]: four channels of the key
var<workgroup> value: array<vec4f, 272>;   // [token][17]: four channels of the value

fn key_at(i: u32) -> f32 {
  if (F16) { return unpack2x16float(keys[i / 2u])[i % 2u]; }
  return bitcast<f32>(keys[i]);
}

fn value_at(i: u32) -> f32 {
  if (F16) { return unpack2x16float(values[i / 2u])[i % 2u]; }
  return bitcast<f32>(values[i]);
}

@compute @workgroup_size(16, 16)
fn main(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_id) lid: vec3u,
) {
  let head = group.z;
  let slice = group.y;
  let wide = (VALUE_DIM + SIDE - 1u) / SIDE;
  let first_row = group.x / wide * SIDE;
  let first_column = group.x % wide * SIDE;
  let end = min(TOKENS, (slice + 1u) * SLICE);
  var sums = array<vec4f, 4>();
  for (var first = slice * SLICE; first < end; first += STEP) {
    let token = first + lid.y;
    var a = vec4f();
    var b = vec4f();
    if (token < end) {
      for (var e = 0u; e < 4u; e++) {
        let x = first_row + lid.x * 4u + e;
        let c = first_column + lid.x * 4u + e;
        if (x < DIM) { a[e] = key_at((head * TOKENS + token) * DIM + x) - means[(head * N + token / BLOCK) * DIM + x]; }
        if (c < VALUE_DIM) { b[e] = value_at((head * TOKENS + token) * VALUE_DIM + c); }
      }
    }
    away[lid.y * 17u + lid.x] = a;
    value[lid.y * 17u + lid.x] = b;
    workgroupBarrier();
    var part = array<vec4f, 4>();
    for (var t = 0u; t < STEP; t++) {
      let k = away[t * 17u + lid.y];
      let v = value[t * 17u + lid.x];
      for (var r = 0u; r < 4u; r++) { part[r] += k[r] * v; }
    }
    for (var r = 0u; r < 4u; r++) { sums[r] += part[r]; }
    workgroupBarrier();
  }
  for (var r = 0u; r < 4u; r++) {
    let row = first_row + lid.y * 4u + r;
    for (var e = 0u; e < 4u; e++) {
      let c = first_column + lid.x * 4u + e;
      if (row < DIM && c < VALUE_DIM) { leans[((slice * groups.z + head) * DIM + row) * VALUE_DIM + c] = sums[r][e]; }
    }
  }
}
