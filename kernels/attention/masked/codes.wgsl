// Codes of tokens after a Hadamard transform (reference/methods/query/adamas.ts): for each of three thresholds a bit a channel,
// whether the channel exceeds it. One workgroup per token of a query head, one invocation per channel. The transform is a butterfly in
// workgroup memory: log2(DIM) steps of one sum or difference each.

override F16: bool;         // tokens are float16, else float32
override DIM: u32;          // channels, a power of two up to 256
override TOKENS: u32;       // tokens per head
override GROUP: u32;        // query heads that share a head of these tokens
override PLANE: u32;        // words of the bits of one threshold
override ACROSS: u32;       // workgroups along x

@group(0) @binding(0) var<storage, read> tokens: array<u32>;
@group(0) @binding(1) var<storage, read> thresholds: array<f32>;     // [query heads][3]
@group(0) @binding(2) var<storage, read_write> codes: array<u32>;    // [query heads][TOKENS][3][PLANE]

var<workgroup> channels: array<f32, 256>;

fn token_at(i: u32) -> f32 {
  if (F16) { return unpack2x16float(tokens[i / 2u])[i % 2u]; }
  return bitcast<f32>(tokens[i]);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let token = group.y * ACROSS + group.x;
  let head = group.z;
  channels[lid] = 0.0;
  if (lid < DIM && token < TOKENS) { channels[lid] = token_at((head / GROUP * TOKENS + token) * DIM + lid); }
  for (var half = 1u; half < DIM; half *= 2u) {
    workgroupBarrier();
    let mine = channels[lid];
    let other = channels[lid ^ half];
    workgroupBarrier();
    channels[lid] = select(mine + other, other - mine, (lid & half) != 0u);
  }
  workgroupBarrier();
  if (lid >= 3u * PLANE || token >= TOKENS) { return; }
  let threshold = thresholds[head * 3u + lid / PLANE] * sqrt(f32(DIM));
  let first = lid % PLANE * 32u;
  var bits = 0u;
  for (var c = first; c < min(first + 32u, DIM); c++) {
    if (channels[c] > threshold) { bits |= 1u << (c - first); }
  }
  codes[(head * TOKENS + token) * 3u * PLANE + lid] = bits;
}
