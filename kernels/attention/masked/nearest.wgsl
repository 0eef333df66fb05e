// The keys of the nearest codes of every query, as bits: the distance is the number of bits in which two codes differ. One
// workgroup a query. All distances are counted first, by size; then the largest that is taken is known, and how many keys of it.
// A second pass over the distances writes words of 32 keys; of those at the largest distance the first are taken, which a scan
// over the words tells. Codes are read twice, two bits per channel; nothing else is kept.

override WORDS: u32;        // words of a code, at most 24
override QUERIES: u32;      // queries per head
override KEYS: u32;         // keys per head
override MASK_WORDS: u32;   // words of a row of the mask
override ACROSS: u32;       // workgroups along x

@group(0) @binding(0) var<storage, read> query_codes: array<u32>;    // [heads][QUERIES][WORDS]
@group(0) @binding(1) var<storage, read> key_codes: array<u32>;      // [heads][KEYS][WORDS]
@group(0) @binding(2) var<storage, read> counts: array<vec2u>;       // [QUERIES]: keys that a query may see, and how many it takes
@group(0) @binding(3) var<storage, read_write> mask: array<u32>;     // [heads][QUERIES][MASK_WORDS]

var<workgroup> own: array<u32, 24>;
var<workgroup> sizes: array<atomic<u32>, 769>;   // keys at each distance
var<workgroup> bound: u32;                       // the largest distance that is taken
var<workgroup> left: u32;                        // keys at this distance that are taken

fn distance_to(key: u32) -> u32 {
  var distance = 0u;
  for (var w = 0u; w < WORDS; w++) { distance += countOneBits(own[w] ^ key_codes[key * WORDS + w]); }
  return distance;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let query = min(group.y * ACROSS + group.x, QUERIES - 1u);
  let row = group.z * QUERIES + query;
  let keys = group.z * KEYS;
  let seen = counts[query].x;
  if (lid < WORDS) { own[lid] = query_codes[row * WORDS + lid]; }
  for (var d = lid; d < 769u; d += THREADS) { atomicStore(&sizes[d], 0u); }
  workgroupBarrier();
  for (var j = lid; j < seen; j += THREADS) { atomicAdd(&sizes[distance_to(keys + j)], 1u); }
  workgroupBarrier();
  if (lid == 0u) {
    left = counts[query].y;
    bound = 0u;
    for (; bound < 768u; bound++) {
      let here = atomicLoad(&sizes[bound]);
      if (left <= here) { break; }
      left -= here;
    }
  }
  workgroupBarrier();
  var before = 0u;
  for (var first = 0u; first < MASK_WORDS; first += THREADS) {
    let word = first + lid;
    var near = 0u;
    var ties = 0u;
    for (var b = 0u; b < 32u; b++) {
      let j = word * 32u + b;
      if (j >= seen) { break; }
      let distance = distance_to(keys + j);
      if (distance < bound) { near |= 1u << b; }
      if (distance == bound) { ties |= 1u << b; }
    }
    let bits = taken_bits(near, ties, before, left, lid);
    if (word < MASK_WORDS) { mask[row * MASK_WORDS + word] = bits; }
    before += scan[THREADS - 1u];
    workgroupBarrier();
  }
}
