// Scores of queries and keys, or means of keys, from which best.wgsl chooses: scale * q . k, in float32. One workgroup has
// 64 queries and 64 keys of a key head, 4 x 4 of them an invocation; both go through workgroup memory 16 channels at a time.
// Rows are (key head, query, query head of the key head), some of them at a time, as `chunk` says.

override F16: bool;         // queries are float16, else float32
override DIM: u32;          // channels, a multiple of 8
override QUERIES: u32;      // queries a head
override UNITS: u32;        // keys, or means, a head
override GROUP: u32;        // query heads that share a key head
override SCALE: f32;        // factor on q . k

@group(0) @binding(0) var<storage, read> queries: array<u32>;        // [query heads][QUERIES][DIM]
@group(0) @binding(1) var<storage, read> keys: array<f32>;           // [key heads][UNITS][DIM]
@group(0) @binding(2) var<storage, read> chunk: array<u32>;          // first key head, first query, queries
@group(0) @binding(3) var<storage, read_write> scores: array<f32>;   // [key heads of the chunk][its queries][GROUP][UNITS]

const SIDE = 64u;
const STEP = 16u;
var<workgroup> rows: array<f32, 1088>;   // [STEP][SIDE + 4]
var<workgroup> columns: array<f32, 1088>;

fn query_at(i: u32) -> f32 {
  if (F16) { return unpack2x16float(queries[i / 2u])[i % 2u]; }
  return bitcast<f32>(queries[i]);
}

@compute @workgroup_size(16, 16)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) lid: u32,
) {
  let head = chunk[0] + group.z;
  let count = chunk[2] * GROUP;
  let first_row = group.y * SIDE;
  let first_unit = group.x * SIDE;
  var sums: array<vec4f, 4>;
  for (var c = 0u; c < DIM; c += STEP) {
    for (var i = lid; i < SIDE * STEP; i += 256u) {
      let at = i / STEP;
      let channel = c + i % STEP;
      let row = first_row + at;
      let unit = first_unit + at;
      var q = 0.0;
      var k = 0.0;
      if (channel < DIM) {
        if (row < count) {
          let own = head * GROUP + row % GROUP;
          q = query_at((own * QUERIES + chunk[1] + row / GROUP) * DIM + channel);
        }
        if (unit < UNITS) { k = keys[(head * UNITS + unit) * DIM + channel]; }
      }
      rows[i % STEP * (SIDE + 4u) + at] = q;
      columns[i % STEP * (SIDE + 4u) + at] = k;
    }
    workgroupBarrier();
    for (var s = 0u; s < STEP; s++) {
      let at = s * (SIDE + 4u);
      let k = vec4f(columns[at + local.x], columns[at + local.x + 16u], columns[at + local.x + 32u], columns[at + local.x + 48u]);
      for (var r = 0u; r < 4u; r++) { sums[r] += rows[at + local.y + 16u * r] * k; }
    }
    workgroupBarrier();
  }
  for (var r = 0u; r < 4u; r++) {
    let row = first_row + local.y + 16u * r;
    if (row >= count) { continue; }
    for (var u = 0u; u < 4u; u++) {
      let unit = first_unit + local.x + 16u * u;
      if (unit < UNITS) { scores[(group.z * count + row) * UNITS + unit] = SCALE * sums[r][u]; }
    }
  }
}
