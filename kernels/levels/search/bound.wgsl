// The bound of every head: the first entry, by its key and among equal scores by its place, that a budget does not pay for any
// more. One workgroup a head.
//
// It is found digit by digit, 11 bits at a time, from the highest to the lowest: costs are added up by digit among the entries that
// agree with the bound in all digits so far, and a scan tells at which digit the budget is spent. Thresholds need three
// digits: entries of one key are taken together or not at all. With PAIRS two digits of the place follow.
// Entries are read once a digit, four at a time, neighbours by neighbours.

override UNIT: u32;         // entries are blocks of so many keys of single queries; 0: they are not
override COLUMNS: u32;      // blocks of a query

@group(0) @binding(2) var<storage, read> budgets: array<u32>;           // [heads], in units of cost
@group(0) @binding(3) var<storage, read_write> bounds: array<vec2u>;    // [heads]: key, and the place among entries that have it
@group(0) @binding(4) var<storage, read> seen: array<u32>;              // keys that each query sees

const DIGITS = 2048u;
const EACH = 8u;             // digits of an invocation
var<workgroup> costs: array<atomic<u32>, 2048>;
var<workgroup> always: atomic<u32>;
var<workgroup> digit: u32;
var<workgroup> before: u32;  // the cost of all that comes before the digit

// What an entry costs beside its level: 1, or the keys of its block that its query sees.
fn keys_of(at: u32) -> u32 {
  if (UNIT == 0u) { return 1u; }
  let first = at % COLUMNS * UNIT;
  return min(seen[at / COLUMNS], first + UNIT) - min(seen[at / COLUMNS], first);
}

// Adds the cost of an entry to its digit, at all levels at which it has one.
fn count(entry: f32, at: u32, round: u32, bound: vec2u) {
  if (is_always(entry)) {
    if (round == 0u) { for (var i = 0u; i < QUOTAS; i++) { atomicAdd(&always, keys_of(at) * quotas[i].cost); } }
    return;
  }
  for (var i = 0u; i < QUOTAS; i++) {
    let key = key_at(entry, quotas[i].end);
    if (key == NONE) { continue; }
    var here = key >> 21u;
    if (round == 1u) { here = select(NONE, (key >> 10u) & 2047u, (key >> 21u) == bound.x); }
    if (round == 2u) { here = select(NONE, key & 1023u, (key >> 10u) == bound.x); }
    if (round == 3u) { here = select(NONE, at >> 11u, key == bound.x); }
    if (round == 4u) { here = select(NONE, at & 2047u, key == bound.x && (at >> 11u) == bound.y); }
    if (here != NONE) { atomicAdd(&costs[here], keys_of(at) * quotas[i].cost); }
  }
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let base = group.x * ENTRIES;
  let budget = budgets[group.x];
  var bound = vec2u(0u);
  var spent = 0u;
  if (lid == 0u) { atomicStore(&always, 0u); }
  for (var round = 0u; round < select(3u, 5u, PAIRS); round++) {
    for (var d = lid; d < DIGITS; d += THREADS) { atomicStore(&costs[d], 0u); }
    if (lid == 0u) { digit = NONE; }
    workgroupBarrier();
    for (var first = lid; first < ENTRIES; first += 4u * THREADS) {
      var four: array<f32, 4>;
      for (var e = 0u; e < 4u; e++) { four[e] = entries[base + min(first + e * THREADS, ENTRIES - 1u)]; }
      for (var e = 0u; e < 4u; e++) {
        let at = first + e * THREADS;
        if (at < ENTRIES) { count(four[e], at, round, bound); }
      }
    }
    workgroupBarrier();
    if (round == 0u) { spent = atomicLoad(&always); }
    var own = 0u;
    for (var d = 0u; d < EACH; d++) { own += atomicLoad(&costs[lid * EACH + d]); }
    var upto = spent + summed(own, lid) - own;
    for (var d = 0u; d < EACH; d++) {
      let cost = atomicLoad(&costs[lid * EACH + d]);
      if (upto <= budget && upto + cost > budget) {
        digit = lid * EACH + d;
        before = upto;
      }
      upto += cost;
    }
    workgroupBarrier();
    let found = digit;
    let earlier = before;
    workgroupBarrier();
    if (found == NONE) { // the budget pays for all: no entry agrees with this bound in later rounds
      bound.x = NONE;
      continue;
    }
    spent = earlier;
    if (round == 0u) { bound.x = found; }
    if (round == 1u) { bound.x = (bound.x << 11u) | found; }
    if (round == 2u) { bound.x = (bound.x << 10u) | found; }
    if (round == 3u) { bound.y = found; }
    if (round == 4u) { bound.y = (bound.y << 11u) | found; }
  }
  if (lid == 0u) { bounds[group.x] = select(bound, vec2u(0u), atomicLoad(&always) > budget); }
}
