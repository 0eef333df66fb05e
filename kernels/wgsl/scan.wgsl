// A sum over the invocations of a workgroup: a part of kernels that tell where each invocation writes.

const THREADS = 256u;
var<workgroup> scan: array<u32, 256>;   // after `summed` the sums up to every invocation, the last is that of all

// The sum of the numbers of all invocations up to this one.
fn summed(own: u32, lid: u32) -> u32 {
  scan[lid] = own;
  for (var step = 1u; step < THREADS; step *= 2u) {
    workgroupBarrier();
    var sum = scan[lid];
    if (lid >= step) { sum += scan[lid - step]; }
    workgroupBarrier();
    scan[lid] = sum;
  }
  workgroupBarrier();
  return scan[lid];
}
