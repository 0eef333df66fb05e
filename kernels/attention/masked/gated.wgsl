// The bits of the keys of all blocks whose entry comes before the bound of their head. One workgroup a query; an invocation has a word
// of 32 keys, that is two halves of 16, each of one block.

override UNITS: u32;        // key blocks
override UNIT: u32;         // keys a block, a multiple of 16
override QUERIES: u32;      // queries a head
override WORDS: u32;        // words of a row of the mask
override ACROSS: u32;       // workgroups along x

@group(0) @binding(2) var<storage, read> bounds: array<vec2u>;         // [heads]
@group(0) @binding(3) var<storage, read> seen: array<u32>;             // [QUERIES]: keys that a query may see
@group(0) @binding(4) var<storage, read_write> mask: array<u32>;       // [heads][QUERIES][WORDS]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let query = group.y * ACROSS + group.x;
  if (query >= QUERIES) { return; }
  let row = group.z * QUERIES + query;
  for (var word = lid; word < WORDS; word += 64u) {
    var bits = 0u;
    for (var half = 0u; half < 2u; half++) {
      let unit = min((word * 32u + half * 16u) / UNIT, UNITS - 1u);
      let entry = entries[row * UNITS + unit];
      if (is_always(entry) || key_at(entry, quotas[0].end) < bounds[group.z].x) { bits |= 0xffffu << (16u * half); }
    }
    let rest = seen[query] - min(seen[query], word * 32u);
    mask[row * WORDS + word] = select(bits & ((1u << min(rest, 31u)) - 1u), bits, rest >= 32u);
  }
}
