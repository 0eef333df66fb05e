// The mask of every head: of two, the one whose rows err less, the first if they err alike. An invocation copies a word, so that
// neighbours read and write neighbouring bytes; each adds up the errors of its head for itself.

override SIZE: u32;         // words of a mask
override ROWS: u32;         // rows whose errors are known
override ACROSS: u32;       // workgroups along x

@group(0) @binding(0) var<storage, read> errors: array<vec2f>;       // [heads][ROWS]
@group(0) @binding(1) var<storage, read> masks: array<u32>;          // [2][SIZE]
@group(0) @binding(2) var<storage, read_write> mask: array<u32>;     // [heads][SIZE]

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let word = (group.y * ACROSS + group.x) * 256u + lid;
  if (word >= SIZE) { return; }
  var sum = vec2f();
  for (var r = 0u; r < ROWS; r++) { sum += errors[group.z * ROWS + r]; }
  mask[group.z * SIZE + word] = masks[select(0u, SIZE, sum.y < sum.x) + word];
}
