// Of every key block the share of its row's importance up to it, the best first: what a threshold is compared with. One
// workgroup per query block of a head; ranks.wgsl or buckets.wgsl counts and adds. A block that the row takes whatever the threshold has -1,
// one that it does not see is BEYOND all thresholds.

override WITH: bool;         // the share has the block's own part
override ALWAYS_BEST: bool;  // the best block of a row is always taken; else block 0
override CAUSAL: bool;       // the first and the diagonal key blocks are always taken too, the future never

@group(0) @binding(1) var<storage, read_write> entries: array<f32>;   // [heads][M][N]

const NEVER = 3.0e38;

// The entry of a block.
fn take_place(base: u32, m: u32, j: u32, standing: Standing, factor: f32) {
  let energy = standing.energy - select(fixed(weight_of(base, m, j), factor), 0u, WITH);
  var entry = min(1.0, f32(energy) / ONE);
  if (select(j == 0u, standing.rank == 0u, ALWAYS_BEST)) { entry = -1.0; }
  if (CAUSAL) {
    if (is_future(i32(m), i32(j))) { entry = NEVER; } else if (j == 0u || is_diagonal(i32(m), i32(j))) { entry = -1.0; }
  }
  entries[base + j] = entry;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let base = (group.y * M + group.x) * N;
  let total = total_of(base, group.x, lid);
  place_row(base, group.x, lid, select(0.0, ONE / total, total > 0.0));
}
