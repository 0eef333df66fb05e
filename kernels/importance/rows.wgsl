// Importance of key blocks, last part: the scores of a query block's rows become its row of importance.
//
// scores.wgsl leaves, for every row i (a sampled query, a group of queries, or a mean) and key block j, one
// number g[i, j] in units of log2: the largest score of the block, or the log-sum-exp of its scores. They lie as
// [row tile][key block][128 rows]. One workgroup owns one query block, or several if they have fewer than four rows each,
// and reads their scores from cache: an invocation keeps four rows and walks key blocks, for each row's maximum over key blocks, for the
// normaliser (SUM_ROWS: the row's sum of exp2), and for P[m, j]. Neighbours then read what lies side by side. For P, numbers of several
// steps are gathered in workgroup memory, where an invocation adds up the rows of one key block. Loads of four
// steps are on their way at a time. Each pass moves 4 bytes per score, and each score took D multiply-adds for every column of the block.

override N: u32;            // key blocks
override M: u32;            // query blocks
override ROWS: u32;         // rows per query block, a power of two up to 128
override ROW_TILES: u32;    // tiles of 128 rows per head
override SUM_ROWS: bool;    // the sum over rows of probabilities; else the maximum over rows of exp(g - row maximum)
override NORMALISE: bool;   // divide by the sum over key blocks
override QUADS: u32 = (ROWS + 3u) / 4u;   // quads of rows that a workgroup owns
override OWN: u32 = QUADS * 4u / ROWS;    // query blocks that they make: 1, or with fewer than 4 rows each 2 or 4
override STEP: u32 = 256u / QUADS;           // key blocks that are read at a time

@group(0) @binding(0) var<uniform> first_tile: u32;   // of the row tiles whose scores are in memory
@group(0) @binding(1) var<storage, read> scores: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> importance: array<f32>;

const LOWEST = -3.0e38;
const HIDDEN = -1.0e29;      // scores below it are of keys that the row does not see
var<workgroup> partial: array<vec4f, 256>;
var<workgroup> shifts: array<vec4f, 32>;
var<workgroup> gathered: array<f32, 1536>;    // of 4 steps: [key block][QUADS + 1], at least two quads

// Several rows' or key blocks' numbers as one.
fn combine(a: vec4f, b: vec4f, sum: bool) -> vec4f { return select(max(a, b), a + b, sum); }

// Reduces `partial` over invocations whose numbers agree modulo `keep`; entries 0 .. keep - 1 receive the results.
fn reduce(lid: u32, keep: u32, sum: bool) {
  for (var half = 128u; half >= keep; half /= 2u) {
    workgroupBarrier();
    if (lid < half) { partial[lid] = combine(partial[lid], partial[lid + half], sum); }
  }
  workgroupBarrier();
}

// The four numbers of an invocation as one.
fn of_four(x: vec4f) -> f32 {
  let two = combine(x.xzxz, x.ywyw, SUM_ROWS);
  return combine(two.xxxx, two.yyyy, SUM_ROWS).x;
}

// The query blocks from m on, whose scores begin at `base`, 32 quads of rows per key block.
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let tile = group.y + first_tile;
  let m = (tile % ROW_TILES) * (128u / ROWS) + group.x * OWN;
  if (m >= M) { return; }
  let quad = lid % QUADS;
  let base = group.y * N * 32u + group.x * QUADS;

  var largest = vec4f(LOWEST);
  let last = N - 1u;
  for (var j = lid / QUADS; j < N; j += 4u * STEP) {
    let a = scores[base + j * 32u + quad];
    let b = scores[base + min(j + STEP, last) * 32u + quad];
    let c = scores[base + min(j + 2u * STEP, last) * 32u + quad];
    let d = scores[base + min(j + 3u * STEP, last) * 32u + quad];
    largest = max(largest, max(max(a, b), max(c, d)));
  }
  partial[lid] = largest;
  reduce(lid, QUADS, false);
  let top = partial[quad];
  var shift = top;
  if (SUM_ROWS) {
    workgroupBarrier();
    var sum = vec4f();
    for (var j = lid / QUADS; j < N; j += STEP) { sum += exp2(scores[base + j * 32u + quad] - top); }
    partial[lid] = sum;
    reduce(lid, QUADS, true);
    shift += log2(partial[quad]);
  }
  // rows that see nothing weigh nothing
  if (lid < QUADS) { shifts[lid] = select(shift, vec4f(-LOWEST), top < vec4f(HIDDEN)); }
  workgroupBarrier();

  let out = ((tile / ROW_TILES) * M + m) * N;
  var total = vec4f();
  if (QUADS == 1u) {
    for (var j = lid; j < N; j += 256u) {
      var all = exp2(scores[base + j * 32u] - shifts[0]);
      let two = combine(all.xzxz, all.ywyw, SUM_ROWS);
      if (ROWS == 1u) {
        for (var block = 0u; block < min(4u, M - m); block++) { importance[out + block * N + j] = all[block]; }
      } else if (ROWS == 2u) {
        for (var block = 0u; block < min(2u, M - m); block++) { importance[out + block * N + j] = two[block]; }
      } else {
        all = vec4f(of_four(all));
        importance[out + j] = all.x;
      }
      total += all;
    }
  } else {
    for (var first = 0u; first < N; first += 4u * STEP) {
      let own = lid / QUADS;
      let a = exp2(scores[base + min(first + own, last) * 32u + quad] - shifts[quad]);
      let b = exp2(scores[base + min(first + own + STEP, last) * 32u + quad] - shifts[quad]);
      let c = exp2(scores[base + min(first + own + 2u * STEP, last) * 32u + quad] - shifts[quad]);
      let d = exp2(scores[base + min(first + own + 3u * STEP, last) * 32u + quad] - shifts[quad]);
      gathered[own * (QUADS + 1u) + quad] = of_four(a);
      gathered[(own + STEP) * (QUADS + 1u) + quad] = of_four(b);
      gathered[(own + 2u * STEP) * (QUADS + 1u) + quad] = of_four(c);
      gathered[(own + 3u * STEP) * (QUADS + 1u) + quad] = of_four(d);
      workgroupBarrier();
      for (var local = lid; local < min(4u * STEP, N - first); local += 256u) {
        var all = gathered[local * (QUADS + 1u)];
        for (var i = 1u; i < QUADS; i++) {
          let other = gathered[local * (QUADS + 1u) + i];
          all = select(max(all, other), all + other, SUM_ROWS);
        }
        importance[out + first + local] = all;
        total += vec4f(all);
      }
      workgroupBarrier();
    }
  }
  if (!NORMALISE) { return; }
  partial[lid] = total;
  reduce(lid, 1u, true);
  let factor = 1.0 / partial[0].x;
  for (var j = lid; j < N; j += 256u) { importance[out + j] *= factor; }
}
