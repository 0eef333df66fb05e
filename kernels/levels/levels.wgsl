// Levels of key blocks from their importance (docs/definition.md#levels): one workgroup per query block of a head.
//
// Quotas go by rank: how many key blocks of the row come before a given one, by descending importance, ties to the
// lower index. The kernel counts instead of sorting: every invocation keeps four blocks in registers and compares
// them with all blocks of the row, which pass through workgroup memory 256 at a time, 16 comparisons for one 16-byte
// read. That sets no limit to the row's length, needs no barriers inside a pass, and up to a few hundred blocks per row
// it costs less than the barriers of a sorting network. In threshold mode the same pass adds up the importance of the
// blocks before each one, in fixed point (2^31 is the row's total): the sum is the same in any order.
// Quotas then turn ranks into levels; text blocks, the causal pattern and the similarity cap follow in this order.

override N: u32;             // key blocks
override M: u32;             // query blocks
override QUOTAS: u32;        // quotas, at most 16
override END_ROWS: u32;      // rows of `ends`: M if every query block has its own, heads * M if those of a head too, else 1
override THRESHOLD: bool;    // ends follow from cumulative importance; else they are read
override MIN_FULL: u32;      // threshold mode: the least number of blocks at level 1
override PIN_CAUSAL: bool;   // the first and the diagonal key blocks come first in the order, the future last
override TEXT: u32;          // key blocks at the end that are level 1
override CAUSAL: bool;
override CAPPED: bool;       // whether `caps` holds the similarity cap
override BLOCK_M: i32;
override BLOCK_N: i32;
override SEQ_Q: i32;
override SEQ_K: i32;
override GROUP: u32;         // query heads a key head

struct Quota { level: i32, unit: u32, energy: u32 }

@group(0) @binding(0) var<storage, read> importance: array<f32>;   // [heads][M][N]
@group(0) @binding(1) var<storage, read> quotas: array<Quota>;     // in the order in which they are served
@group(0) @binding(2) var<storage, read> ends: array<u32>;         // [END_ROWS][QUOTAS], ranks
@group(0) @binding(3) var<storage, read> caps: array<u32>;         // [key heads][N]
@group(0) @binding(4) var<storage, read_write> levels: array<i32>; // [heads][M][N]

const THREADS = 64u;
const BEYOND = -3.0e38;
const FIRST = 3.0e38;
const ONE = 2147483648.0;    // the row's total in fixed point

var<workgroup> tile: array<vec4f, 64>;
var<workgroup> weights: array<vec4u, 64>;
var<workgroup> sums: array<f32, 64>;
var<workgroup> under: array<atomic<u32>, 16>;
var<workgroup> row_ends: array<u32, 16>;

fn is_future(m: i32, j: i32) -> bool {
  return j * BLOCK_N > min((m + 1) * BLOCK_M, SEQ_Q) - 1 + SEQ_K - SEQ_Q;
}

fn is_diagonal(m: i32, j: i32) -> bool {
  return !is_future(m, j) && min((j + 1) * BLOCK_N, SEQ_K) - 1 > m * BLOCK_M + SEQ_K - SEQ_Q;
}

// The sort key of a key block in its row.
fn key_of(base: u32, m: u32, j: u32) -> f32 {
  if (j >= N) { return BEYOND; }
  if (PIN_CAUSAL) {
    if (is_future(i32(m), i32(j))) { return -1.0; }
    if (j == 0u || is_diagonal(i32(m), i32(j))) { return FIRST; }
  }
  return importance[base + j];
}

fn keys_of(base: u32, m: u32, j: u32) -> vec4f {
  return vec4f(key_of(base, m, j), key_of(base, m, j + 1u), key_of(base, m, j + 2u), key_of(base, m, j + 3u));
}

// The sum of the row.
fn total_of(base: u32, lid: u32) -> f32 {
  var sum = 0.0;
  for (var j = lid; j < N; j += THREADS) { sum += importance[base + j]; }
  sums[lid] = sum;
  for (var half = THREADS / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lid < half) { sums[lid] += sums[lid + half]; }
  }
  workgroupBarrier();
  return sums[0];
}

fn fixed(keys: vec4f, factor: f32) -> vec4u { return vec4u(max(keys, vec4f()) * factor + 0.5); }

// Which of four blocks come after a block of the given key and index.
fn after(key: f32, index: u32, mine: vec4f, mine_first: u32) -> vec4<bool> {
  let indices = vec4u(mine_first) + vec4u(0u, 1u, 2u, 3u);
  return (vec4f(key) > mine) | ((vec4f(key) == mine) & (vec4u(index) < indices));
}

struct Place { rank: vec4u, energy: vec4u }

// Rank of this invocation's four blocks, and the importance up to and with each of them.
fn place_of(base: u32, m: u32, lid: u32, first: u32, factor: f32) -> Place {
  let mine = keys_of(base, m, first);
  var place = Place(vec4u(), fixed(mine, factor));
  for (var start = 0u; start < N; start += 4u * THREADS) {
    workgroupBarrier();
    let loaded = keys_of(base, m, start + 4u * lid);
    tile[lid] = loaded;
    if (THRESHOLD) { weights[lid] = fixed(loaded, factor); }
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

// Threshold mode: ends of all quotas from the numbers of blocks whose cumulative importance stays under them.
fn find_ends() {
  var previous = 0u;
  for (var i = 0u; i < QUOTAS; i++) {
    let quota = quotas[i];
    let count = atomicLoad(&under[i]);
    var end = select(previous, count + 1u, count > 0u);
    let room = N - previous;
    if (quota.unit > 1u) {
      let length = max(end, previous) - previous;
      var aligned = (length + quota.unit - 1u) / quota.unit * quota.unit;
      if (aligned >= room && length > 0u) { aligned = room / quota.unit * quota.unit; }
      end = previous + aligned;
    } else if (quota.level == 1) {
      end = max(end, previous + MIN_FULL);
    }
    previous = max(previous, min(end, N));
    row_ends[i] = previous;
  }
}

// The level of a block from its rank, then the rules that follow.
fn level_of(head: u32, m: u32, j: u32, rank: u32) -> i32 {
  var level = 0;
  for (var i = QUOTAS; i > 0u; i--) {
    if (rank < row_ends[i - 1u]) { level = quotas[i - 1u].level; }
  }
  if (j >= N - TEXT) { level = 1; }
  if (CAUSAL) {
    if (is_future(i32(m), i32(j))) { level = 0; } else if (j == 0u || is_diagonal(i32(m), i32(j))) { level = 1; }
  }
  if (CAPPED) { level = min(level, i32(caps[head / GROUP * N + j])); }
  return level;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let m = group.x;
  let base = (group.y * M + m) * N;
  var factor = 0.0;
  var total = 0.0;
  if (THRESHOLD) {
    if (lid < QUOTAS) { atomicStore(&under[lid], 0u); }
    total = total_of(base, lid);
    factor = select(0.0, ONE / total, total > 0.0);
  } else if (lid < QUOTAS) {
    row_ends[lid] = ends[((group.y * M + m) % END_ROWS) * QUOTAS + lid];
  }
  for (var start = 0u; start < N; start += 4u * THREADS) {
    let first = start + 4u * lid;
    let place = place_of(base, m, lid, first, factor);
    for (var e = 0u; e < 4u; e++) {
      if (first + e >= N) { break; }
      levels[base + first + e] = i32(place.rank[e]);
      if (THRESHOLD && total > 0.0) {
        for (var i = 0u; i < QUOTAS; i++) {
          if (place.energy[e] <= quotas[i].energy) { atomicAdd(&under[i], 1u); }
        }
      }
    }
  }
  workgroupBarrier();
  if (THRESHOLD) {
    if (lid == 0u) { find_ends(); }
    workgroupBarrier();
  }
  for (var start = 0u; start < N; start += 4u * THREADS) {
    let first = start + 4u * lid;
    for (var e = 0u; e < 4u; e++) {
      let j = first + e;
      if (j < N) { levels[base + j] = level_of(group.y, m, j, u32(levels[base + j])); }
    }
  }
}
