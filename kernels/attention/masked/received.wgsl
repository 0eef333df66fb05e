// What every key receives of the softmax of some queries, times the norm of its value: a sum over rows of shares, to which the
// queries of each chunk add. One workgroup has 64 neighbouring keys of a head, so that neighbours read neighbouring numbers; four
// invocations share the queries of a key.

override UNITS: u32;        // keys
override GROUP: u32;        // query heads a key head
override WEIGHTED: bool;    // times the norm of the value
override F16: bool;         // values are float16, else float32
override VALUE_DIM: u32;    // channels of a value

@group(0) @binding(0) var<storage, read> chunk: array<u32>;          // first key head, first query, queries
@group(0) @binding(1) var<storage, read> shares: array<f32>;         // [key heads of the chunk][its queries][GROUP][UNITS]
@group(0) @binding(2) var<storage, read> values: array<u32>;         // [key heads][UNITS][VALUE_DIM]
@group(0) @binding(3) var<storage, read_write> sums: array<f32>;     // [heads][UNITS]

var<workgroup> partial: array<f32, 256>;

fn value_at(i: u32) -> f32 {
  if (F16) { return unpack2x16float(values[i / 2u])[i % 2u]; }
  return bitcast<f32>(values[i]);
}

@compute @workgroup_size(64, 4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) lid: vec3u) {
  let key = group.x * 64u + lid.x;
  var sum = 0.0;
  if (key < UNITS) {
    for (var i = lid.y; i < chunk[2]; i += 4u) { sum += shares[((group.z * chunk[2] + i) * GROUP + group.y) * UNITS + key]; }
  }
  partial[lid.y * 64u + lid.x] = sum;
  workgroupBarrier();
  if (lid.y > 0u || key >= UNITS) { return; }
  sum += partial[64u + lid.x] + partial[128u + lid.x] + partial[192u + lid.x];
  let own = chunk[0] + group.z;
  if (WEIGHTED) {
    var square = 0.0;
    for (var c = 0u; c < VALUE_DIM; c++) {
      let value = value_at((own * UNITS + key) * VALUE_DIM + c);
      square += value * value;
    }
    sum *= sqrt(square);
  }
  let at = (own * GROUP + group.y) * UNITS + key;
  if (chunk[1] == 0u) { sums[at] = sum; } else { sums[at] += sum; }
}
