// Of every key block of every query the share of its gates that lies before it (reference/methods/query/vmoba.ts): gates are
// brought to [0, 1], the query's own block comes first, then the others by descending gate. One workgroup a query. A block that is
// taken whatever the bound has -1, one that is not seen is beyond all bounds. Each invocation compares its blocks with all
// others: a row of gates is read by all of them at once.

override UNITS: u32;        // key blocks
override UNIT: u32;         // keys a block
override QUERIES: u32;      // queries a head
override GROUP: u32;        // query heads a key head
override FIRST: bool;       // queries that have a block of their own take block 0 first too

@group(0) @binding(0) var<storage, read> rule: array<vec2u>;           // [QUERIES]: keys that a query may see, its own block
@group(0) @binding(1) var<storage, read> chunk: array<u32>;            // first key head, first query, queries
@group(0) @binding(2) var<storage, read> scores: array<f32>;           // [key heads of the chunk][its queries][GROUP][UNITS]
@group(0) @binding(3) var<storage, read_write> entries: array<f32>;    // [heads][QUERIES][UNITS]

const THREADS = 64u;
const NEVER = 3.0e38;
const NONE = 0xffffffffu;
var<workgroup> least: array<f32, 64>;
var<workgroup> most: array<f32, 64>;

// The place of a gate on the way from the least to the largest; all are 1 if they are equal.
fn gate_at(at: u32, low: f32, high: f32) -> f32 {
  if (high > low) { return (scores[at] - low) / (high - low); }
  return 1.0;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let query = chunk[1] + group.x;
  let row = ((group.z * chunk[2] + group.x) * GROUP + group.y) * UNITS;
  let out = (((chunk[0] + group.z) * GROUP + group.y) * QUERIES + query) * UNITS;
  let seen = (rule[query].x + UNIT - 1u) / UNIT;
  let own = rule[query].y;
  var low = 3.4e38;
  var high = -3.4e38;
  for (var u = lid; u < seen; u += THREADS) {
    low = min(low, scores[row + u]);
    high = max(high, scores[row + u]);
  }
  least[lid] = low;
  most[lid] = high;
  for (var width = THREADS / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lid < width) {
      least[lid] = min(least[lid], least[lid + width]);
      most[lid] = max(most[lid], most[lid + width]);
    }
  }
  workgroupBarrier();
  low = least[0];
  high = most[0];
  for (var u = lid; u < UNITS; u += THREADS) {
    var entry = NEVER;
    if (u < seen) {
      let gate = gate_at(row + u, low, high);
      let isOwn = own != NONE && (u == own || (FIRST && u == 0u));
      var total = 0.0;
      var before = 0.0;
      var rank = 0u;
      for (var other = 0u; other < seen; other++) {
        let its = gate_at(row + other, low, high);
        let isForced = own != NONE && (other == own || (FIRST && other == 0u));
        total += its;
        if (isForced || its > gate || (its == gate && other < u)) {
          before += its;
          rank++;
        }
      }
      entry = before / total;
      if (isOwn || (own == NONE && rank == 0u)) { entry = -1.0; }
    }
    entries[out + u] = entry;
  }
}
