// Mean token of every block, in float32, for `pooled` importance: one workgroup per block.
//
// Invocations are laid out as [token][piece of four channels], so that neighbours read neighbouring bytes; each adds
// up every 256 / PIECES-th token, and one invocation per piece adds up their sums. The kernel reads the tokens once.

override PIECES: u32;       // four-channel pieces per token, at most 64
override TOKENS: u32;       // tokens per head
override BLOCK: u32;        // tokens per block

@group(0) @binding(1) var<storage, read_write> means: array<vec4f>;

var<workgroup> partial: array<vec4f, 256>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lid: u32,
) {
  let lanes = 256u / PIECES;
  let piece = lid % PIECES;
  let lane = lid / PIECES;
  let first = group.x * BLOCK;
  let count = min(BLOCK, TOKENS - first);
  var sum = vec4f();
  if (lane < lanes) {
    for (var t = lane; t < count; t += lanes) {
      sum += channels((group.y * TOKENS + first + t) * PIECES + piece);
    }
  }
  partial[lid] = sum;
  workgroupBarrier();
  if (lid >= PIECES) { return; }
  for (var l = 1u; l < lanes; l++) { sum += partial[l * PIECES + piece]; }
  means[(group.y * groups.x + group.x) * PIECES + piece] = sum / f32(count);
}
