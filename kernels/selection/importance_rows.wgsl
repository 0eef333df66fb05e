// Importance of key blocks, last part: the scores of a query block's rows become its row of importance.
//
// importance_scores.wgsl leaves, for every row i (a sampled query, a group of queries, or a mean) and key block j, one
// number g[i, j] in units of log2: the largest score of the block, or the log-sum-exp of its scores. They lie as
// [row tile][key block][128 rows]. One workgroup owns one query block and reads its scores from cache three times:
// for each row's maximum over key blocks, for the normaliser (SUM_ROWS: the row's sum of exp2), and for P[m, j]. An
// invocation keeps its row (lid % ROWS) throughout and walks key blocks, so neighbours read neighbours. Each pass
// moves 4 bytes a score, behind which lie D multiply-adds for every column of the block, so this kernel hides.

override N: u32;            // key blocks
override M: u32;            // query blocks
override ROWS: u32;         // rows a query block, a power of two up to 128
override ROW_TILES: u32;    // tiles of 128 rows a head
override SUM_ROWS: bool;    // the sum over rows of probabilities; else the maximum over rows of exp(g - row maximum)
override NORMALISE: bool;   // divide by the sum over key blocks

@group(0) @binding(0) var<uniform> first_tile: u32;   // of the row tiles whose scores are in memory
@group(0) @binding(1) var<storage, read> scores: array<f32>;
@group(0) @binding(2) var<storage, read_write> importance: array<f32>;

const THREADS = 256u;
const LOWEST = -3.0e38;
const HIDDEN = -1.0e29;      // scores below it are of keys that the row does not see
var<workgroup> partial: array<f32, 256>;

// Reduces `partial` over invocations whose numbers agree modulo `keep`; entries 0 .. keep - 1 receive the results.
fn reduce(lid: u32, keep: u32, largest: bool) {
  for (var half = THREADS / 2u; half >= keep; half /= 2u) {
    workgroupBarrier();
    if (lid < half) {
      let other = partial[lid + half];
      partial[lid] = select(partial[lid] + other, max(partial[lid], other), largest);
    }
  }
  workgroupBarrier();
}

// One query block: its scores begin at `base`, 128 numbers a key block; lane = lid % ROWS is the row.
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let blocks_a_tile = 128u / ROWS;
  let tile = group.y + first_tile;
  let m = (tile % ROW_TILES) * blocks_a_tile + group.x;
  if (m >= M) { return; }
  let row = lid % ROWS;
  let first = lid / ROWS;
  let step = THREADS / ROWS;
  let base = group.y * N * 128u + group.x * ROWS + row;

  var largest = LOWEST;
  for (var j = first; j < N; j += step) { largest = max(largest, scores[base + j * 128u]); }
  partial[lid] = largest;
  reduce(lid, ROWS, true);
  var shift = partial[row];
  let empty = shift < HIDDEN;
  workgroupBarrier();
  if (SUM_ROWS) {
    var sum = 0.0;
    for (var j = first; j < N; j += step) { sum += exp2(scores[base + j * 128u] - shift); }
    partial[lid] = sum;
    reduce(lid, ROWS, false);
    shift += log2(partial[row]);
    workgroupBarrier();
  }

  let out = ((tile / ROW_TILES) * M + m) * N;
  var total = 0.0;
  for (var start = 0u; start < N; start += step) {
    let j = start + first;
    partial[lid] = 0.0;
    if (j < N && !empty) { partial[lid] = exp2(scores[base + j * 128u] - shift); }
    for (var half = ROWS / 2u; half > 0u; half /= 2u) {
      workgroupBarrier();
      if (row < half) {
        let other = partial[lid + half];
        partial[lid] = select(max(partial[lid], other), partial[lid] + other, SUM_ROWS);
      }
    }
    if (row == 0u && j < N) {
      importance[out + j] = partial[lid];
      total += partial[lid];
    }
    workgroupBarrier();
  }
  if (!NORMALISE) { return; }
  partial[lid] = total;
  reduce(lid, 1u, false);
  let factor = 1.0 / partial[0];
  if (row == 0u) {
    for (var j = first; j < N; j += step) { importance[out + j] *= factor; }
  }
}
