// How much the keys of a frame differ from its mean and from the frame before (reference/methods/grid/sharpv_keys.ts): a score for
// every key, and for the frame its share, how much it changes as a whole. One workgroup a frame of a key head. The mean first:
// invocations are laid out as [token][channel], so that neighbours read neighbouring bytes. Then an invocation has a key at a time.

override F16: bool;         // keys are float16, else float32
override DIM: u32;          // channels, at most 256
override FRAMES: u32;
override FRAME: u32;        // tokens of a frame

@group(0) @binding(0) var<storage, read> keys: array<u32>;             // [key heads][FRAMES * FRAME][DIM]
@group(0) @binding(1) var<storage, read> token_at: array<u32>;         // [FRAMES * FRAME]: the token at a place of the video
@group(0) @binding(2) var<storage, read_write> scores: array<f32>;     // [key heads][FRAMES][FRAME]
@group(0) @binding(3) var<storage, read_write> shares: array<f32>;     // [key heads][FRAMES]

const THREADS = 256u;
var<workgroup> centre: array<f32, 256>;   // the mean of the frame, of length 1

fn key_at(i: u32) -> f32 {
  if (F16) { return unpack2x16float(keys[i / 2u])[i % 2u]; }
  return bitcast<f32>(keys[i]);
}

// 1 over the length of a key; 0 if it has none.
fn inverse_norm(key: u32) -> f32 {
  var square = 0.0;
  for (var c = 0u; c < DIM; c++) {
    let x = key_at(key + c);
    square += x * x;
  }
  return select(0.0, 1.0 / sqrt(square), square > 0.0);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let frame = group.x;
  let head = group.y * FRAMES * FRAME;
  let lanes = THREADS / DIM;
  let channel = lid % DIM;
  var sum = 0.0;
  if (lid / DIM < lanes) {
    for (var p = lid / DIM; p < FRAME; p += lanes) { sum += key_at((head + token_at[frame * FRAME + p]) * DIM + channel); }
  }
  partial[lid] = sum;
  workgroupBarrier();
  if (lid < DIM) {
    for (var l = 1u; l < lanes; l++) { sum += partial[l * DIM + channel]; }
    centre[lid] = sum;
  }
  let own = select(0.0, sum * sum, lid < DIM);
  let square = reduced(own, lid, SUM);
  let length = select(0.0, 1.0 / sqrt(square), square > 0.0);
  var squares = 0.0;
  for (var p = lid; p < FRAME; p += THREADS) {
    let key = (head + token_at[frame * FRAME + p]) * DIM;
    let before = (head + token_at[(max(frame, 1u) - 1u) * FRAME + p]) * DIM;
    let norm = inverse_norm(key);
    let norm_before = inverse_norm(before);
    var apart = 0.0;
    var moved = 0.0;
    for (var c = 0u; c < DIM; c++) {
      let x = key_at(key + c) * norm;
      let from_mean = x - centre[c] * length;
      let from_before = x - key_at(before + c) * norm_before;
      apart += from_mean * from_mean;
      moved += from_before * from_before;
    }
    apart = sqrt(apart);
    moved = select(sqrt(moved), 0.0, frame == 0u);
    scores[(group.y * FRAMES + frame) * FRAME + p] = apart + moved;
    let counts = select(moved, apart, frame == 0u);
    squares += counts * counts;
  }
  squares = reduced(squares, lid, SUM);
  if (lid == 0u) { shares[group.y * FRAMES + frame] = sqrt(squares / f32(FRAME)) / 2.0; }
}
