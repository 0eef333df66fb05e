// Levels from entries and the bound of their head: the first level at which an entry comes before the bound. One workgroup per
// query block of a head. With PAIRS a row that is left with nothing takes its best block, of equals the first.

override N: u32;            // key blocks
override M: u32;            // query blocks

@group(0) @binding(2) var<storage, read> bounds: array<vec2u>;            // [heads]
@group(0) @binding(3) var<storage, read_write> levels: array<i32>;        // [heads][M][N]

const THREADS = 64u;
var<workgroup> keys: array<u32, 64>;
var<workgroup> places: array<u32, 64>;
var<workgroup> taken: atomic<u32>;

fn level_of(entry: f32, at: u32, bound: vec2u) -> i32 {
  if (is_always(entry)) { return quotas[0].level; }
  for (var i = 0u; i < QUOTAS; i++) {
    let key = key_at(entry, quotas[i].end);
    if (key != NONE && (key < bound.x || (key == bound.x && at < bound.y))) { return quotas[i].level; }
  }
  return 0;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let base = (group.y * M + group.x) * N;
  let bound = bounds[group.y];
  var best = NONE;
  var place = 0u;
  if (lid == 0u) { atomicStore(&taken, 0u); }
  workgroupBarrier();
  for (var j = lid; j < N; j += THREADS) {
    let entry = entries[base + j];
    let level = level_of(entry, group.x * N + j, bound);
    levels[base + j] = level;
    if (level != 0) { atomicStore(&taken, 1u); }
    let key = key_at(entry, 1.0);
    if (key < best) {
      best = key;
      place = j;
    }
  }
  if (!PAIRS) { return; }
  keys[lid] = best;
  places[lid] = place;
  for (var width = THREADS / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lid < width) {
      let other = keys[lid + width];
      if (other < keys[lid] || (other == keys[lid] && places[lid + width] < places[lid])) {
        keys[lid] = other;
        places[lid] = places[lid + width];
      }
    }
  }
  workgroupBarrier();
  if (lid == 0u && atomicLoad(&taken) == 0u) { levels[base + places[0]] = quotas[0].level; }
}
