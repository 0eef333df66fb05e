// The mean absolute deviation of the tokens of every block from their mean, by channel, in float32
// (reference/methods/mask/rectified.ts). One workgroup per block; invocations are laid out as [token][channel], so that
// neighbours read neighbouring bytes, and one invocation per channel adds up what the others found.

override F16: bool;         // tokens are float16, else float32
override DIM: u32;          // channels, at most 256
override TOKENS: u32;       // tokens per head
override BLOCK: u32;        // tokens per block

@group(0) @binding(0) var<storage, read> tokens: array<u32>;
@group(0) @binding(1) var<storage, read> means: array<f32>;            // [heads][blocks][DIM]
@group(0) @binding(2) var<storage, read_write> spreads: array<f32>;    // [heads][blocks][DIM]

var<workgroup> partial: array<f32, 256>;

fn token_at(i: u32) -> f32 {
  if (F16) { return unpack2x16float(tokens[i / 2u])[i % 2u]; }
  return bitcast<f32>(tokens[i]);
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lid: u32,
) {
  let lanes = 256u / DIM;
  let channel = lid % DIM;
  let lane = lid / DIM;
  let at = (group.y * groups.x + group.x) * DIM + channel;
  let first = group.x * BLOCK;
  let count = min(BLOCK, TOKENS - first);
  var sum = 0.0;
  if (lane < lanes) {
    for (var t = lane; t < count; t += lanes) {
      sum += abs(token_at((group.y * TOKENS + first + t) * DIM + channel) - means[at]);
    }
  }
  partial[lid] = sum;
  workgroupBarrier();
  if (lane > 0u) { return; }
  for (var l = 1u; l < lanes; l++) { sum += partial[l * DIM + channel]; }
  spreads[at] = sum / f32(count);
}
