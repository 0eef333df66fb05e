// Offsets of work lists from their lengths: an exclusive sum in place, with the total behind it.
//
// One workgroup does it all: every invocation adds up a run of neighbouring rows, the runs' sums are scanned in
// workgroup memory, and a second walk writes the offsets. There is one length for every query block, a few thousand
// in all, so that a pass over several workgroups would not pay.

override ROWS: u32;

@group(0) @binding(0) var<storage, read_write> offsets: array<u32>;   // [ROWS + 1]

const THREADS = 256u;
var<workgroup> scan: array<u32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lid: u32) {
  let run = (ROWS + THREADS - 1u) / THREADS;
  let first = min(lid * run, ROWS);
  let end = min(first + run, ROWS);
  var sum = 0u;
  for (var row = first; row < end; row++) { sum += offsets[row]; }
  scan[lid] = sum;
  workgroupBarrier();
  for (var step = 1u; step < THREADS; step *= 2u) {
    var total = scan[lid];
    if (lid >= step) { total += scan[lid - step]; }
    workgroupBarrier();
    scan[lid] = total;
    workgroupBarrier();
  }
  var at = scan[lid] - sum;
  for (var row = first; row < end; row++) {
    let length = offsets[row];
    offsets[row] = at;
    at += length;
  }
  if (lid == THREADS - 1u) { offsets[ROWS] = at; }
}
