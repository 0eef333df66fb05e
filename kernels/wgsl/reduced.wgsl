// Sums, largest and smallest numbers over the invocations of a workgroup, by trees: a part of kernels that have one workgroup a
// row. Those have a constant THREADS, a power of two up to 256.

const SUM = 0u;
const LARGEST = 1u;
const SMALLEST = 2u;
var<workgroup> partial: array<f32, 256>;

// What the numbers of all invocations give together; every invocation gets it.
fn reduced(own: f32, lid: u32, kind: u32) -> f32 {
  workgroupBarrier();
  partial[lid] = own;
  for (var width = THREADS / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lid < width) {
      let here = partial[lid];
      let other = partial[lid + width];
      if (kind == SUM) {
        partial[lid] = here + other;
      } else {
        partial[lid] = select(min(here, other), max(here, other), kind == LARGEST);
      }
    }
  }
  workgroupBarrier();
  return partial[0];
}
