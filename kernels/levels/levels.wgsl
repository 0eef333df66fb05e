// Levels of key blocks from their importance (docs/definition.md#levels): one workgroup per query block of a head.
//
// Quotas go by rank: how many key blocks of the row come before a given one, by descending importance, ties to the
// lower index (ranks.wgsl and buckets.wgsl say how they are counted). In threshold mode they go by the importance of the blocks before.
// Quotas then turn ranks into levels; text blocks, the causal pattern and the similarity cap follow in this order.

override QUOTAS: u32;        // quotas, at most 16
override END_ROWS: u32;      // rows of `ends`: M if every query block has its own, heads * M if those of a head too, else 1
override MIN_FULL: u32;      // threshold mode: the least number of blocks at level 1
override TEXT: u32;          // key blocks at the end that are level 1
override CAUSAL: bool;
override CAPPED: bool;       // whether `caps` holds the similarity cap
override GROUP: u32;         // query heads a key head

struct Quota { level: i32, unit: u32, energy: u32 }

@group(0) @binding(1) var<storage, read> quotas: array<Quota>;     // in the order in which they are served
@group(0) @binding(2) var<storage, read> ends: array<u32>;         // [END_ROWS][QUOTAS], ranks
@group(0) @binding(3) var<storage, read> caps: array<u32>;         // [key heads][N]
@group(0) @binding(4) var<storage, read_write> levels: array<i32>; // [heads][M][N]

var<workgroup> under: array<atomic<u32>, 16>;
var<workgroup> row_ends: array<u32, 16>;

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

// What becomes of a block's rank: it is left where its level goes, and in threshold mode counted where the importance is under an end.
fn take_place(base: u32, m: u32, j: u32, standing: Standing, factor: f32) {
  levels[base + j] = select(levels[base + j], 0, standing.is_first) + i32(standing.rank);
  if (THRESHOLD && factor > 0.0) {
    for (var i = 0u; i < QUOTAS; i++) {
      if (standing.energy <= quotas[i].energy) { atomicAdd(&under[i], 1u); }
    }
  }
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let m = group.x;
  let base = (group.y * M + m) * N;
  var factor = 0.0;
  if (THRESHOLD) {
    if (lid < QUOTAS) { atomicStore(&under[lid], 0u); }
    let total = total_of(base, m, lid);
    factor = select(0.0, ONE / total, total > 0.0);
  } else if (lid < QUOTAS) {
    row_ends[lid] = ends[((group.y * M + m) % END_ROWS) * QUOTAS + lid];
  }
  place_row(base, m, lid, factor);
  workgroupBarrier();
  if (THRESHOLD) {
    if (lid == 0u) { find_ends(); }
    workgroupBarrier();
  }
  // Ranks of four neighbours were left by the invocation that reads them.
  for (var start = 0u; start < N; start += 4u * THREADS) {
    let first = start + 4u * lid;
    for (var e = 0u; e < 4u; e++) {
      let j = first + e;
      if (j < N) { levels[base + j] = level_of(group.y, m, j, u32(levels[base + j])); }
    }
  }
}
