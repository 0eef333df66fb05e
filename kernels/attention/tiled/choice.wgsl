// Which of two kernels a causal call takes: the plain one, or, if some value that the call reads is not finite, the careful
// one, in whose products a weight of zero adds nothing. Nothing is read back: this kernel writes how many workgroups each
// of them has, and the one that is not taken has none.
//
// It reads every value once, 16 bytes an invocation and turn, which is a hundredth of what attention does at 16,000
// tokens. It runs twice: one workgroup first selects the plain kernel (BEGIN), then all check the values.

struct Choice {
  workgroups: vec4<u32>,          // of the kernel that is taken
  places: array<vec4<u32>, 8>,    // of the levels in use: first piece, pieces
}

override BEGIN: bool;

@group(0) @binding(0) var<uniform> choice: Choice;
@group(0) @binding(1) var<storage, read> v: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> taken: array<atomic<u32>, 6>; // plain: x, y, z; careful: x, y, z

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  if (BEGIN) {
    if (id.x > 0u) { return; }
    for (var axis = 0u; axis < 3u; axis++) {
      atomicStore(&taken[axis], choice.workgroups[axis]);
      atomicStore(&taken[3u + axis], select(choice.workgroups[axis], 0u, axis == 0u));
    }
    return;
  }
  var strange = false;
  for (var level = 0u; level < 8u; level++) {
    let place = choice.places[level];
    for (var at = id.x; at < place.y; at += 256u * grid.x) { strange = strange || is_strange(v[place.x + at]); }
  }
  if (strange) {
    atomicStore(&taken[0], 0u);
    atomicStore(&taken[3], choice.workgroups.x);
  }
}
