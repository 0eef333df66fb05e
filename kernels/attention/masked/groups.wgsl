// Work lists of a mask from its bits: the groups of 8 keys that a query block has to read, and beside each the bits of its
// rows (masked.wgsl says why they lie so). The twin of lists.ts on the device.
//
// One workgroup owns a query block of a head. Every invocation takes a word of 32 keys, 256 words at a time, and joins the
// words of all rows: each byte that is not zero is a group. A scan over the invocations tells where groups go. Like the lists
// of levels it runs twice: to count (COUNT), and, after scan.wgsl has turned counts into offsets, to write.

override COUNT: bool;       // write the length of the row only
override M: u32;            // query blocks
override BLOCK: u32;        // queries a block
override QUERIES: u32;      // queries a head
override MASK_WORDS: u32;   // words of a row of the mask
override SHARED: bool;      // all queries of a head have the one row of its mask
override ROWS_ALONE: u32;   // rows of heads that are ordered each for itself; those behind are ordered together
override ROWS_TOGETHER: u32; // rows of those that are ordered together, before that

@group(0) @binding(0) var<storage, read> mask: array<u32>;               // [heads][QUERIES][MASK_WORDS]; SHARED: [heads][MASK_WORDS]
@group(0) @binding(1) var<storage, read_write> offsets: array<u32>;      // [heads * M + 1]; COUNT: lengths; order of rows and lengths, [heads * M] each; records of rows
@group(0) @binding(2) var<storage, read_write> list: array<u32>;         // entries
@group(0) @binding(3) var<storage, read_write> row_masks: array<u32>;    // [entries][BLOCK / 4]: 8 bits for each row

const TILE = 16u;           // groups of a tile of 128 keys

// A word of a row of a head's mask.
fn mask_at(head: u32, query: u32, word: u32) -> u32 {
  return mask[select(head * QUERIES + query, head, SHARED) * MASK_WORDS + word];
}

fn write_groups(head: u32, first_row: u32, rows: u32, word: u32, seen: u32, begin: u32) {
  var at = begin;
  for (var byte = 0u; byte < 4u; byte++) {
    let counts = (seen >> (8u * byte)) & 255u;
    if (counts == 0u) { continue; }
    list[at] = entry_of(word * 4u + byte, 0u, counts);
    at++;
  }
  for (var part = 0u; part < BLOCK / 4u; part++) {
    var words = vec4u();
    for (var r = 0u; r < 4u; r++) {
      if (part * 4u + r < rows) { words[r] = mask_at(head, first_row + part * 4u + r, word); }
    }
    at = begin;
    for (var byte = 0u; byte < 4u; byte++) {
      if (((seen >> (8u * byte)) & 255u) == 0u) { continue; }
      let bits = (words >> vec4u(8u * byte)) & vec4u(255u);
      row_masks[at * (BLOCK / 4u) + part] = bits.x | (bits.y << 8u) | (bits.z << 16u) | (bits.w << 24u);
      at++;
    }
  }
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lid: u32,
) {
  let index = group.y * M + group.x;
  let first_row = group.x * BLOCK;
  let rows = min(BLOCK, QUERIES - first_row);
  var at = 0u;
  if (!COUNT) { at = offsets[index]; }
  let begin = at;
  for (var first = 0u; first < MASK_WORDS; first += THREADS) {
    let word = first + lid;
    var seen = 0u;
    if (word < MASK_WORDS) {
      for (var r = 0u; r < select(rows, 1u, SHARED); r++) { seen |= mask_at(group.y, first_row + r, word); }
    }
    var count = 0u;
    for (var byte = 0u; byte < 4u; byte++) { count += select(0u, 1u, ((seen >> (8u * byte)) & 255u) != 0u); }
    let upto = summed(count, lid);
    if (!COUNT && count > 0u) { write_groups(group.y, first_row, rows, word, seen, at + upto - count); }
    at += scan[THREADS - 1u];
    workgroupBarrier();
  }
  let padded = (at - begin + TILE - 1u) / TILE * TILE;
  if (COUNT) {
    if (lid == 0u) {
      offsets[index] = padded;
      offsets[2u * grid.x * grid.y + 1u + index] = at;
    }
  } else {
    storageBarrier();   // the last entry is another invocation's
    let fills = begin + padded - at;
    if (lid < fills) { list[at + lid] = list[at - 1u] | ENTRY_FILLS; }
    for (var i = lid; i < fills * (BLOCK / 4u); i += THREADS) { row_masks[at * (BLOCK / 4u) + i] = 0u; }
  }
  if (!COUNT) { take_turn(index, grid.x * grid.y, lid, 0xffffffffu); }
}
