// The best keys, or blocks of keys, of every query, as bits of keys: those of the largest scores, of equals the first. One
// workgroup a query. Scores are compared as whole numbers of the same order. Their bytes are counted, from the highest to the
// lowest, among the scores that agree with the last one taken so far; after four passes that score is known, and how many of
// those that equal it are taken. A last pass writes words of 32 blocks; a scan over the words tells which equals come first.
//
// With TOGETHER the query heads of a key head add up the softmax of their scores first, and get the same bits.

override UNITS: u32;        // blocks a head
override UNIT: u32;         // keys a block: 1, or a multiple of 16
override QUERIES: u32;      // queries a head
override GROUP: u32;        // query heads that share a key head
override MASK_WORDS: u32;   // words of a row of the mask
override UNIT_WORDS: u32;   // words of a row of blocks
override TOGETHER: bool;    // query heads of a key head choose together
override OWN_TABLES: bool;  // every head has a rule of its own
override FIRST: bool;       // queries that take a block first take block 0 too

@group(0) @binding(0) var<storage, read> rule: array<vec4u>;         // [QUERIES]: keys that a query may see, blocks it takes, its own; OWN_TABLES: [query heads][QUERIES]
@group(0) @binding(1) var<storage, read> chunk: array<u32>;          // first key head, first query, queries
@group(0) @binding(2) var<storage, read_write> scores: array<f32>;   // [key heads of the chunk][its queries][GROUP][UNITS]
@group(0) @binding(3) var<storage, read_write> units: array<u32>;    // [the same][UNIT_WORDS]: bits of blocks
@group(0) @binding(4) var<storage, read_write> mask: array<u32>;     // [query heads][QUERIES][MASK_WORDS]

const NONE = 0xffffffffu;
const FORCED = 0xffffffffu;
var<workgroup> sizes: array<atomic<u32>, 256>;   // scores by a byte
var<workgroup> digit: u32;                       // the byte of the last score that is taken
var<workgroup> left: u32;                        // how many are taken of those that have it

// Adds up the softmax of the rows of all query heads of a key head, in the first of them.
fn join_heads(row: u32, seen: u32, lid: u32) {
  for (var g = 0u; g < GROUP; g++) {
    let own = (row + g) * UNITS;
    var top = -3.4e38;
    for (var u = lid; u < seen; u += THREADS) { top = max(top, scores[own + u]); }
    top = reduced(top, lid, LARGEST);
    var sum = 0.0;
    for (var u = lid; u < seen; u += THREADS) { sum += exp(scores[own + u] - top); }
    sum = reduced(sum, lid, SUM);
    for (var u = lid; u < seen; u += THREADS) {
      let share = exp(scores[own + u] - top) / sum;
      if (g == 0u) { scores[own + u] = share; } else { scores[row * UNITS + u] += share; }
    }
  }
}

// A whole number that is larger where a score is.
fn rank_of(row: u32, unit: u32, own: u32) -> u32 {
  if (own != NONE && (unit == own || (FIRST && unit == 0u))) { return FORCED; }
  let score = scores[row * UNITS + unit];
  if (score == 0.0) { return 0x80000000u; }
  let bits = bitcast<u32>(score);
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

// The bits of the keys of a word, of those that a query may see, from the bits of their blocks.
fn keys_of(word: u32, row: u32, seen: u32) -> u32 {
  var bits = 0u;
  for (var half = 0u; half < 2u; half++) {
    let unit = min((word * 32u + half * 16u) / UNIT, UNITS - 1u);
    if (((units[row * UNIT_WORDS + unit / 32u] >> (unit % 32u)) & 1u) == 1u) { bits |= 0xffffu << (16u * half); }
  }
  let rest = seen - min(seen, word * 32u);
  return select(bits & ((1u << min(rest, 31u)) - 1u), bits, rest >= 32u);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let query = chunk[1] + group.x;
  let row = (group.z * chunk[2] + group.x) * GROUP + group.y;
  let head = (chunk[0] + group.z) * GROUP + group.y;
  let own_rule = rule[query + select(0u, head * QUERIES, OWN_TABLES)];
  let keys = own_rule.x;
  let seen = (keys + UNIT - 1u) / UNIT;
  let own = own_rule.z;
  if (TOGETHER) {
    join_heads(row, seen, lid);
    storageBarrier();
    workgroupBarrier();
  }
  var bound = 0u;
  var wanted = own_rule.y;
  for (var shift = 24u; shift < 32u; shift -= 8u) { // ends below 0
    atomicStore(&sizes[lid], 0u);
    if (lid == 0u) {
      digit = select(0u, 255u, wanted == 0u);
      left = wanted;
    }
    workgroupBarrier();
    for (var u = lid; u < seen; u += THREADS) {
      let rank = rank_of(row, u, own);
      if (shift == 24u || (rank >> ((shift + 8u) & 31u)) == bound) { atomicAdd(&sizes[(rank >> shift) & 255u], 1u); }
    }
    workgroupBarrier();
    let here = atomicLoad(&sizes[255u - lid]);
    let upto = summed(here, lid);
    if (upto >= wanted && upto - here < wanted) {
      digit = 255u - lid;
      left = wanted - (upto - here);
    }
    workgroupBarrier();
    bound = (bound << 8u) | digit;
    wanted = left;
    workgroupBarrier();
  }
  var before = 0u;
  for (var first = 0u; first < UNIT_WORDS; first += THREADS) {
    let word = first + lid;
    var near = 0u;
    var ties = 0u;
    for (var b = 0u; b < 32u; b++) {
      let unit = word * 32u + b;
      if (unit >= seen) { break; }
      let rank = rank_of(row, unit, own);
      if (rank > bound) { near |= 1u << b; }
      if (rank == bound) { ties |= 1u << b; }
    }
    let bits = taken_bits(near, ties, before, wanted, lid);
    if (word < UNIT_WORDS) { units[row * UNIT_WORDS + word] = bits; }
    before += scan[THREADS - 1u];
    workgroupBarrier();
  }
  storageBarrier();
  workgroupBarrier();
  for (var word = lid; word < MASK_WORDS; word += THREADS) {
    var bits = 0u;
    if (UNIT == 1u) { bits = units[row * UNIT_WORDS + word]; } else { bits = keys_of(word, row, keys); }
    for (var g = 0u; g < select(1u, GROUP, TOGETHER); g++) {
      mask[((head + g) * QUERIES + query) * MASK_WORDS + word] = bits;
    }
  }
}
