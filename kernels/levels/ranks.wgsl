// Ranks of key blocks in short rows, and the importance that lies before them: a part of the kernels that cut rows into
// levels. Long rows have buckets.wgsl.
//
// The kernel counts instead of sorting: every invocation keeps four blocks in registers and compares
// them with all blocks of the row, which pass through workgroup memory 256 at a time, 16 comparisons for one 16-byte
// read. That sets no limit to the row's length, needs no barriers inside a pass, and up to a few hundred blocks per row
// it costs less than the barriers of a sorting network. With THRESHOLD the same pass adds up the importance of the
// blocks before each one, in fixed point (2^31 is the row's total): the sum is the same in any order.

const THREADS = 64u;

var<workgroup> tile: array<vec4f, 64>;
var<workgroup> weights: array<vec4u, 64>;

fn keys_of(base: u32, m: u32, j: u32) -> vec4f {
  return vec4f(key_of(base, m, j), key_of(base, m, j + 1u), key_of(base, m, j + 2u), key_of(base, m, j + 3u));
}

fn weights_of(base: u32, m: u32, j: u32, factor: f32) -> vec4u {
  let four = vec4f(
    weight_of(base, m, j), weight_of(base, m, j + 1u), weight_of(base, m, j + 2u), weight_of(base, m, j + 3u),
  );
  return vec4u(four * factor + 0.5);
}

// Which of four blocks come after a block of the given key and index.
fn after(key: f32, index: u32, mine: vec4f, mine_first: u32) -> vec4<bool> {
  let indices = vec4u(mine_first) + vec4u(0u, 1u, 2u, 3u);
  return (vec4f(key) > mine) | ((vec4f(key) == mine) & (vec4u(index) < indices));
}

struct Place { rank: vec4u, energy: vec4u }

// Rank of this invocation's four blocks, and the importance up to and with each of them.
fn place_of(base: u32, m: u32, lid: u32, first: u32, factor: f32) -> Place {
  let mine = keys_of(base, m, first);
  var place = Place();
  if (THRESHOLD) { place.energy = weights_of(base, m, first, factor); }
  for (var start = 0u; start < N; start += 4u * THREADS) {
    workgroupBarrier();
    tile[lid] = keys_of(base, m, start + 4u * lid);
    if (THRESHOLD) { weights[lid] = weights_of(base, m, start + 4u * lid, factor); }
    workgroupBarrier();
    let quads = min(THREADS, (N - start + 3u) / 4u);
    for (var q = 0u; q < quads; q++) {
      let keys = tile[q];
      let index = start + 4u * q;
      let a = after(keys.x, index, mine, first);
      let b = after(keys.y, index + 1u, mine, first);
      let c = after(keys.z, index + 2u, mine, first);
      let d = after(keys.w, index + 3u, mine, first);
      place.rank += vec4u(a) + vec4u(b) + vec4u(c) + vec4u(d);
      if (THRESHOLD) {
        let w = weights[q];
        place.energy += vec4u(a) * w.x + vec4u(b) * w.y + vec4u(c) * w.z + vec4u(d) * w.w;
      }
    }
  }
  return place;
}

// Hands every block of the row with its rank, and the importance up to and with it, to `take_place`.
fn place_row(base: u32, m: u32, lid: u32, factor: f32) {
  for (var start = 0u; start < N; start += 4u * THREADS) {
    let first = start + 4u * lid;
    let place = place_of(base, m, lid, first, factor);
    for (var e = 0u; e < 4u; e++) {
      if (first + e < N) { take_place(base, m, first + e, Standing(place.rank[e], place.energy[e], true), factor); }
    }
  }
}
