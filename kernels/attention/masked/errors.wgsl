// How far two masks lead some rows of attention away from dense attention: for each row and mask the square of the distance. One
// workgroup a row. The largest score first; then 256 keys at a time have their weights and their bits of both masks in
// workgroup memory, and every invocation adds up, for one channel of the values, all keys of its lane three times: as they are, and
// as each mask shows them.

override UNITS: u32;        // keys
override GROUP: u32;        // query heads a key head
override QUERIES: u32;      // rows a head
override WORDS: u32;        // words of a row of a mask
override F16: bool;         // values are float16, else float32
override VALUE_DIM: u32;    // channels of a value, at most 256

@group(0) @binding(0) var<storage, read> chunk: array<u32>;            // first key head, first row, rows
@group(0) @binding(1) var<storage, read> scores: array<f32>;           // [key heads of the chunk][its rows][GROUP][UNITS]
@group(0) @binding(2) var<storage, read> values: array<u32>;           // [key heads][UNITS][VALUE_DIM]
@group(0) @binding(3) var<storage, read> masks: array<u32>;            // [2][QUERIES][WORDS]
@group(0) @binding(4) var<storage, read_write> errors: array<vec2f>;   // [heads][QUERIES]

const THREADS = 256u;
var<workgroup> staged: array<vec3f, 256>;   // the weight of a key, and as each mask shows it
var<workgroup> sums: array<vec3f, 256>;
var<workgroup> masses: array<vec3f, 256>;

fn value_at(i: u32) -> f32 {
  if (F16) { return unpack2x16float(values[i / 2u])[i % 2u]; }
  return bitcast<f32>(values[i]);
}

fn seen_by(mask: u32, row: u32, key: u32) -> f32 {
  return f32((masks[(mask * QUERIES + row) * WORDS + key / 32u] >> (key % 32u)) & 1u);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let row = chunk[1] + group.x;
  let base = ((group.z * chunk[2] + group.x) * GROUP + group.y) * UNITS;
  let own = chunk[0] + group.z;
  let lanes = THREADS / VALUE_DIM;
  let channel = lid % VALUE_DIM;
  let lane = lid / VALUE_DIM;
  var top = -3.4e38;
  for (var key = lid; key < UNITS; key += THREADS) { top = max(top, scores[base + key]); }
  top = reduced(top, lid, LARGEST);
  var sum = vec3f();
  var mass = vec3f();
  for (var first = 0u; first < UNITS; first += THREADS) {
    let key = min(first + lid, UNITS - 1u);
    let weight = exp(scores[base + key] - top);
    workgroupBarrier();
    staged[lid] = weight * vec3f(1.0, seen_by(0u, row, key), seen_by(1u, row, key));
    workgroupBarrier();
    if (lane < lanes) {
      for (var t = lane; t < min(THREADS, UNITS - first); t += lanes) {
        mass += staged[t];
        sum += staged[t] * value_at((own * UNITS + first + t) * VALUE_DIM + channel);
      }
    }
  }
  sums[lid] = sum;
  masses[lid] = mass;
  workgroupBarrier();
  var off = vec2f();
  if (lane == 0u) {
    for (var l = 1u; l < lanes; l++) {
      sum += sums[l * VALUE_DIM + channel];
      mass += masses[l * VALUE_DIM + channel];
    }
    let out = select(sum / mass, vec3f(), mass == vec3f());
    off = (out.yz - out.xx) * (out.yz - out.xx);
  }
  off = vec2f(reduced(off.x, lid, SUM), reduced(off.y, lid, SUM));
  if (lid == 0u) { errors[(own * GROUP + group.y) * QUERIES + row] = off; }
}
