// Work lists from levels: which groups of GROUP (8 or 4) pooled tokens each query block reads, in the order of the keys.
//
// One workgroup owns a row of levels, that is a query block of a head. Every invocation takes a key block, in long rows up to four,
// and knows from their levels how many groups they have; a scan over the invocations tells where they go. A key block
// of GROUP or more pooled tokens has whole groups. Of shorter blocks several share a group: the first of them that has the
// group's level writes it, with a mask of the tokens of all that have it: at a level with one token per block, GROUP blocks
// cost one group. The row is filled up to whole tiles of 128 tokens with repetitions of its last entry that do
// not count, so that whoever reads a tile reads nothing but tokens of the row. The kernel runs twice:
// to count (COUNT), and, after scan.wgsl has turned counts into offsets, to write; each row then also counts how
// many rows that it is ordered with are longer, which is its place in the order in which attention takes them. It reads 4 bytes per key block
// and writes 4 bytes per group, where attention reads at least 64 bytes per group and does 16 * D operations with it.

override COUNT: bool;       // write the length of the row only
override N: u32;            // key blocks
override M: u32;            // query blocks
override EACH: u32;         // key blocks of an invocation at a time, at most 4
override BLOCK: u32;        // tokens per key block
override TOKENS: u32;       // key tokens per head
override GROUP: u32;        // pooled tokens per group
override ROWS_ALONE: u32;   // rows of heads that are ordered each for itself; those behind are ordered together
override ROWS_TOGETHER: u32; // rows of those that are ordered together, before that
override REPLICATE: bool;   // pooled tokens behind the end exist: the last token is repeated
override CAUSAL: bool;      // count the entries that all queries of a row see
override BLOCK_M: u32;      // CAUSAL: queries of a row
override POSITION: i32;     // CAUSAL: of query 0 among the keys

@group(0) @binding(0) var<storage, read> levels: array<i32>;           // [heads][M][N]
@group(0) @binding(1) var<storage, read_write> offsets: array<u32>;    // [heads * M + 1]; COUNT: lengths; order of rows and lengths, [heads * M] each; records of rows
@group(0) @binding(2) var<storage, read_write> list: array<u32>;       // entries

var<workgroup> first_crossed: atomic<u32>;                             // the first entry that some query of the row does not see to its end

// How many pooled tokens of a level a head has.
fn pooled_tokens(level: u32) -> u32 {
  if (REPLICATE && level > 1u) { return N * (BLOCK / level); }
  return (TOKENS + level - 1u) / level;
}

// Groups that key block j writes.
fn groups_of(row: u32, j: u32) -> u32 {
  if (j >= N) { return 0u; }
  let level = u32(levels[row + j]);
  if (level == 0u) { return 0u; }
  let tokens = BLOCK / level;
  if (tokens >= GROUP) { return (min(tokens, pooled_tokens(level) - j * tokens) + GROUP - 1u) / GROUP; }
  for (var i = j / (GROUP / tokens) * (GROUP / tokens); i < j; i++) {
    if (u32(levels[row + i]) == level) { return 0u; }
  }
  return 1u;
}

// The mask of the group whose first pooled token is `token`. A group within one block is full up to the last token.
fn mask_of(row: u32, level: u32, token: u32) -> u32 {
  let tokens = BLOCK / level;
  let count = min(GROUP, pooled_tokens(level) - token);
  if (tokens >= GROUP) { return (1u << count) - 1u; }
  var mask = 0u;
  for (var t = 0u; t < count; t += tokens) {
    if (u32(levels[row + (token + t) / tokens]) == level) { mask |= ((1u << min(tokens, count - t)) - 1u) << t; }
  }
  return mask;
}

fn write_groups(row: u32, j: u32, at: u32, count: u32) {
  let level = u32(levels[row + j]);
  let group = j * (BLOCK / level) / GROUP;
  for (var g = 0u; g < count; g++) {
    let mask = mask_of(row, level, (group + g) * GROUP);
    list[at + g] = entry_of(group + g, firstTrailingBit(level), mask);
  }
}

// The first of the groups that a key block writes whose last token comes behind a key; if there is none, their number.
fn crossed_group(row: u32, j: u32, count: u32, key: i32) -> u32 {
  let level = u32(levels[row + j]);
  let group = j * (BLOCK / level) / GROUP;
  return min(max(u32(max(key + 1, 0)) / (GROUP * level), group) - group, count);
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lid: u32,
) {
  let index = group.y * M + group.x;
  let row = index * N;
  var at = 0u;
  if (!COUNT) { at = offsets[index]; }
  let begin = at;
  if (lid == 0u) { atomicStore(&first_crossed, 0xffffffffu); }
  for (var first = 0u; first < N; first += THREADS * EACH) {
    let own = first + lid * EACH;
    var counts: vec4u;
    for (var e = 0u; e < EACH; e++) { counts[e] = groups_of(row, own + e); }
    let count = counts.x + counts.y + counts.z + counts.w;
    var to = at + summed(count, lid) - count;
    if (!COUNT) {
      for (var e = 0u; e < EACH; e++) {
        if (counts[e] > 0u) { write_groups(row, own + e, to, counts[e]); }
        if (CAUSAL && counts[e] > 0u) {
          let crossed = crossed_group(row, own + e, counts[e], i32(group.x * BLOCK_M) + POSITION);
          if (crossed < counts[e]) { atomicMin(&first_crossed, to + crossed - begin); }
        }
        to += counts[e];
      }
    }
    at += scan[THREADS - 1u];
    workgroupBarrier();
  }
  let tile = 128u / GROUP;
  let padded = (at - begin + tile - 1u) / tile * tile;
  if (COUNT) {
    if (lid == 0u) {
      offsets[index] = padded;
      offsets[2u * grid.x * grid.y + 1u + index] = at;
    }
  } else {
    storageBarrier();   // the last entry is another invocation's
    if (at + lid < begin + padded) { list[at + lid] = list[at - 1u] | ENTRY_FILLS; }
  }
  if (!COUNT) { take_turn(index, grid.x * grid.y, lid, atomicLoad(&first_crossed)); }
}
