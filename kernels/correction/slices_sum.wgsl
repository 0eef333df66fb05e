// The sum over slices of numbers that lie one slice after the other: an invocation has a number, so that neighbours read
// neighbouring bytes.

override COUNT: u32;        // numbers of a slice
override SLICES: u32;

@group(0) @binding(0) var<storage, read> slices: array<f32>;         // [SLICES][COUNT]
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;     // [COUNT]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= COUNT) { return; }
  var sum = 0.0;
  for (var s = 0u; s < SLICES; s++) { sum += slices[s * COUNT + id.x]; }
  sums[id.x] = sum;
}
