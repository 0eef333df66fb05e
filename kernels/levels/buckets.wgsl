// Ranks of key blocks in long rows, and the importance that lies before them: a part of the kernels that cut rows into levels,
// with the same results as ranks.wgsl, which compares all pairs.
//
// Keys become whole numbers of the same order, and are spread over buckets between the least and the greatest of the row. A block
// comes behind those of all buckets before its own, which a scan counts, and is compared with those of its own only, a few. Blocks
// that share the least number, often 0, are in no bucket: they come last, in the order of their indices, and the same
// scan counts them. At worst all blocks share a bucket, and the work is that of ranks.wgsl. Rows of more than 1,024 blocks are counted in
// parts: of each block, those before it in every part are added up.

const CHUNK = 1024u;      // key blocks of a part, four an invocation
const BUCKETS = 512u;     // two an invocation
const BUCKET_BITS = 9;

var<workgroup> least: atomic<u32>;
var<workgroup> greatest: atomic<u32>;
var<workgroup> counts: array<atomic<u32>, 512>;     // blocks of a bucket, then of the buckets before it
var<workgroup> energies: array<atomic<u32>, 512>;   // their importance likewise
var<workgroup> members: array<vec2u, 1024>;         // number and index of each block, bucket after bucket

// A whole number that is greater the greater a key is. None is 0.
fn ordered(key: f32) -> u32 {
  let bits = bitcast<u32>(select(key, 0.0, key == 0.0)); // -0 is 0
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

// The number of a block; 0 for those that count for no other one: NaN, and the future that comes last in any case.
fn number_of(base: u32, m: u32, j: u32) -> u32 {
  if (j >= N || (PIN_CAUSAL && is_future(i32(m), i32(j)))) { return 0u; }
  let key = key_of(base, m, j);
  return select(ordered(key), 0u, (bitcast<u32>(key) & 0x7fffffffu) > 0x7f800000u);
}

// How the numbers of a row are spread: `least`, whose blocks are in no bucket, the greatest but those that are pinned, and
// by how many bits the distance from the least is shifted. Where all are pinned, all are in one bucket.
struct Spread { none: u32, least: u32, greatest: u32, shift: u32 }

fn spread_of(base: u32, m: u32, lid: u32) -> Spread {
  if (lid == 0u) {
    atomicStore(&least, 0xffffffffu);
    atomicStore(&greatest, 0u);
  }
  let pinned = ordered(FIRST);
  var low = 0xffffffffu;
  var high = 0u;
  for (var j = lid; j < N; j += THREADS) {
    let number = number_of(base, m, j);
    if (number != 0u) { low = min(low, number); }
    if (number < pinned) { high = max(high, number); }
  }
  workgroupBarrier();
  atomicMin(&least, low);
  atomicMax(&greatest, high);
  workgroupBarrier();
  low = atomicLoad(&least);
  high = max(low, atomicLoad(&greatest));
  let bits = 32 - i32(countLeadingZeros(high - low));
  return Spread(select(low, 0u, low >= pinned), low, high, u32(max(bits - BUCKET_BITS, 0)));
}

fn bucket_of(number: u32, spread: Spread) -> u32 {
  return BUCKETS - 1u - ((min(number, spread.greatest) - spread.least) >> spread.shift);
}

// What a part has: blocks in buckets, those that share the least number and stand before this invocation's own, all of them;
// the importance of those in buckets.
struct Part { counted: u32, lowest_before: u32, lowest: u32, energy: u32 }

// Spreads the blocks of a part over buckets.
fn fill_buckets(base: u32, m: u32, lid: u32, start: u32, spread: Spread, factor: f32) -> Part {
  for (var b = 2u * lid; b < 2u * lid + 2u; b++) {
    atomicStore(&counts[b], 0u);
    atomicStore(&energies[b], 0u);
  }
  workgroupBarrier();
  var numbers: vec4u;
  var slots: vec4u;
  var lows = 0u;
  for (var e = 0u; e < 4u; e++) {
    let j = start + 4u * lid + e;
    let number = number_of(base, m, j);
    numbers[e] = number;
    if (number == spread.none) {
      lows += select(0u, 1u, number != 0u);
    } else if (number != 0u) {
      let b = bucket_of(number, spread);
      slots[e] = atomicAdd(&counts[b], 1u);
      if (THRESHOLD) { atomicAdd(&energies[b], fixed(weight_of(base, m, j), factor)); }
    }
  }
  workgroupBarrier();
  let first = atomicLoad(&counts[2u * lid]);
  let own = first + atomicLoad(&counts[2u * lid + 1u]);
  let upto = summed(own | (lows << 16u), lid);
  let all = scan[THREADS - 1u];
  atomicStore(&counts[2u * lid], (upto & 0xffffu) - own);
  atomicStore(&counts[2u * lid + 1u], (upto & 0xffffu) - own + first);
  var energy = 0u;
  workgroupBarrier();
  if (THRESHOLD) {
    let first_energy = atomicLoad(&energies[2u * lid]);
    let own_energy = first_energy + atomicLoad(&energies[2u * lid + 1u]);
    let upto_energy = summed(own_energy, lid);
    energy = scan[THREADS - 1u];
    atomicStore(&energies[2u * lid], upto_energy - own_energy);
    atomicStore(&energies[2u * lid + 1u], upto_energy - own_energy + first_energy);
  }
  for (var e = 0u; e < 4u; e++) {
    if (numbers[e] == 0u || numbers[e] == spread.none) { continue; }
    members[atomicLoad(&counts[bucket_of(numbers[e], spread)]) + slots[e]] = vec2u(numbers[e], start + 4u * lid + e);
  }
  workgroupBarrier();
  return Part(all & 0xffffu, (upto >> 16u) - lows, all >> 16u, energy);
}

// Of a block in a bucket, those of a part that come before it.
fn standing_of(base: u32, m: u32, j: u32, number: u32, spread: Spread, part: Part, factor: f32) -> Standing {
  let b = bucket_of(number, spread);
  let begin = atomicLoad(&counts[b]);
  var end = part.counted;
  if (b + 1u < BUCKETS) { end = atomicLoad(&counts[b + 1u]); }
  var standing = Standing(begin, 0u, true);
  if (THRESHOLD) { standing.energy = atomicLoad(&energies[b]); }
  for (var i = begin; i < end; i++) {
    let member = members[i];
    if (member.x > number || (member.x == number && member.y < j)) {
      standing.rank++;
      if (THRESHOLD) { standing.energy += fixed(weight_of(base, m, member.y), factor); }
    }
  }
  return standing;
}

// Hands every block of the row with its rank, and the importance up to and with it, to `take_place`. With THRESHOLD the row is one
// part.
fn place_row(base: u32, m: u32, lid: u32, factor: f32) {
  let spread = spread_of(base, m, lid);
  for (var start = 0u; start < N; start += CHUNK) {
    let part = fill_buckets(base, m, lid, start, spread, factor);
    for (var first = 0u; first < N; first += CHUNK) {
      var lows = select(select(0u, part.lowest, start < first), part.lowest_before, start == first);
      for (var e = 0u; e < 4u; e++) {
        let j = first + 4u * lid + e;
        if (j >= N) { break; }
        let number = number_of(base, m, j);
        let own = select(0u, fixed(weight_of(base, m, j), factor), THRESHOLD);
        var standing = Standing(0u, 0u, true);
        if (number != 0u && number == spread.none) {
          standing = Standing(part.counted + lows, part.energy + lows * own, true);
          lows += select(0u, 1u, start == first);
        } else if (number != 0u) {
          standing = standing_of(base, m, j, number, spread, part, factor);
        }
        take_place(base, m, j, Standing(standing.rank, standing.energy + own, start == 0u), factor);
      }
    }
    workgroupBarrier();
  }
}
