// The sum over slices of numbers that lie one slice after the other. One workgroup has 64 neighbouring numbers, so that neighbours
// read neighbouring bytes; four invocations share the slices of a number.

override COUNT: u32;        // numbers of a slice
override SLICES: u32;

@group(0) @binding(0) var<storage, read> slices: array<f32>;         // [SLICES][COUNT]
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;     // [COUNT]

var<workgroup> partial: array<f32, 256>;

@compute @workgroup_size(64, 4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) lid: vec3u) {
  let at = group.x * 64u + lid.x;
  var sum = 0.0;
  if (at < COUNT) {
    for (var s = lid.y; s < SLICES; s += 4u) { sum += slices[s * COUNT + at]; }
  }
  partial[lid.y * 64u + lid.x] = sum;
  workgroupBarrier();
  if (lid.y == 0u && at < COUNT) {
    sums[at] = (sum + partial[64u + lid.x]) + (partial[128u + lid.x] + partial[192u + lid.x]);
  }
}
