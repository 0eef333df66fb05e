// The memory of the kernel with matrix units: bindings, workgroup memory, rows and entries of a tile. kernel.wgsl
// says how they fit together.

alias Piece = vec4<u32>; // 8 halves

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read_write> q: array<Piece>; // none of these is written: compilers move loads of read-only memory
@group(0) @binding(2) var<storage, read_write> k: array<Piece>;
@group(0) @binding(3) var<storage, read_write> v: array<Piece>;
//#if SHARED < 2
@group(0) @binding(4) var<storage, read_write> out: array<Piece>;
@group(0) @binding(5) var<storage, read_write> lse: array<f32>;
//#end
//#if SHARED > 0
@group(0) @binding(#{LISTS_AT - 1}) var<storage, read_write> partials: array<vec4f>; // of workgroups that share keys, for merge.wgsl
//#end
//#if !DENSE
@group(0) @binding(#{LISTS_AT}) var<storage, read> list: array<u32>;
@group(0) @binding(#{LISTS_AT + 1}) var<storage, read> offsets: array<u32>; // of the lists; then their rows, longest first, their lengths, their records
//#end

var<workgroup> keys: array<Piece, #{BUFFERS * 32 * K_PITCH}>; // a tile of keys, and one of values, or two
var<workgroup> values: array<Piece, #{BUFFERS * 32 * V_PITCH}>;
var<workgroup> exchange: array<Piece, #{SUBGROUPS * REGION}>; // scores, then weights; a region for each subgroup
var<workgroup> shared_rows: array<f32, #{2 * ROWS}>;      // what the two halves of a row tell each other
var<workgroup> again: u32;                               // whether some row has to be walked again
//#if !DENSE
var<workgroup> ring: array<vec2<u32>, #{16 * TILE_GROUPS}>; // entries of 16 tiles: row of the first token, entry
//#end
//#if CAUSAL
var<workgroup> found_strange: u32;
//#end

//#if DENSE && SHARED > 0 && !FOLDED
var<private> first_tile: u32; // of this split: dense tiles are counted from it
//#end

override SCALE: f32;
const MASKED = -1e30;
const EMPTY = -1e29;
// The largest half. Weights that add up to less are finite halves.
const LARGEST = 65504.0;

fn half_pair(pair: vec2f) -> u32 { return bitcast<u32>(vec2<f16>(pair)); }
fn halves(low: vec4f, high: vec4f) -> Piece {
  return Piece(half_pair(low.xy), half_pair(low.zw), half_pair(high.xy), half_pair(high.zw));
}

//#if !DENSE
// An entry with the row of its first token in K and V.
fn item_of(entry: u32, kv_head: u32) -> vec2<u32> {
  let level = entry_log_level(entry);
  return vec2<u32>(call.levels[level].first_row + kv_head * call.levels[level].tokens + entry_index(entry) * #{GROUP}u, entry);
}

// A token of a group, or where it does not count one that does.
fn counted_token(entry: u32, token: u32) -> u32 {
//#if WHOLE
  return token;
//#else
  return select(entry_first_counted(entry), token, entry_counts(entry, token));
//#end
}
//#end

//#if DENSE
// The tile that is sampled at a place of the sample: 0, and at 1 the one at the diagonal.
fn sampled_tile(place: u32, tiles: u32, first_row: u32) -> u32 {
  return (place * (u32(max(i32(first_row) + #{CAUSAL ? "call.position" : "0"}, 0)) >> 5u)) % tiles;
}

// The first key of a tile, or, FOLDED, its distance from the first one of this workgroup.
fn key_of(tile: u32) -> u32 { return #{SHARED > 0 && !FOLDED ? "(first_tile + tile)" : "tile"} * 32u; }
//#end

// The row in K and V of a row of a tile.
fn source_row(tile: u32, row: u32, first_key: u32) -> u32 {
//#if DENSE
  return first_key + #{FULL ? "key_of(tile) + row" : "min(key_of(tile) + row, call.seq_k - 1u)"};
//#else
  let item = ring[(tile & 15u) * #{TILE_GROUPS}u + row / #{GROUP}u];
  return item.x + counted_token(item.y, row % #{GROUP}u);
//#end
}

// Eight channels of a key and of a value; beyond the last channel, zeros.
fn load_k(row: u32, piece: u32) -> Piece {
//#if K_ACROSS != D_PIECES
  if (piece >= #{D_PIECES}u) { return Piece(); }
//#end
  return k[row * #{D_PIECES}u + piece];
}
fn load_v(row: u32, piece: u32) -> Piece {
//#if V_PIECES % V_ACROSS != 0
  if (piece >= #{V_PIECES}u) { return Piece(); }
//#end
  return v[row * #{V_PIECES}u + piece];
}

// The terms that are added to the scores of four tokens of a tile: log2 of the number of averaged tokens, or the mask.
fn bias_of(tile: u32, group: u32, first: u32) -> vec4f {
//#if DENSE
//#if FULL
  return vec4f(0.0);
//#else
//#if WHOLE
  return vec4f(select(0.0, MASKED, key_of(tile) + group * 8u >= call.seq_k));
//#else
  let key = key_of(tile) + group * 8u + first;
  return select(vec4f(0.0), vec4f(MASKED), vec4<u32>(key, key + 1u, key + 2u, key + 3u) >= vec4<u32>(call.seq_k));
//#end
//#end
//#else
  let entry = ring[(tile & 15u) * #{TILE_GROUPS}u + #{GROUP == 8 ? "group" : "group * 2u + (first >> 2u)"}].y;
  let level = entry_log_level(entry);
//#if WHOLE && !PARTIAL
  return vec4f(select(f32(level), MASKED, entry_fills(entry)));
//#else
  let token = vec4<u32>(0u, 1u, 2u, 3u) + vec4<u32>(#{GROUP == 8 ? "first" : "0u"});
//#if PARTIAL
  let begin = (vec4<u32>(entry_index(entry) * #{GROUP}u) + token) << vec4<u32>(level);
  let count = min(vec4<u32>(1u << level), vec4<u32>(call.seq_k) - min(begin, vec4<u32>(call.seq_k)));
  let bias = select(log2(vec4f(count)), vec4f(f32(level)), count == vec4<u32>(1u << level));
//#else
  let bias = vec4f(f32(level));
//#end
  let counts = ((vec4<u32>(entry >> 24u) >> token) & vec4<u32>(1u)) == vec4<u32>(1u);
  return select(vec4f(MASKED), bias, counts & vec4<bool>(!entry_fills(entry)));
//#end
//#end
}

//#if CAUSAL
//#if !DENSE
// The last key that a token of a group averages.
fn last_token(entry: u32, token: u32) -> i32 {
  let end = (entry_index(entry) * #{GROUP}u + token + 1u) << entry_log_level(entry);
  return i32(#{PARTIAL ? "min(end, call.seq_k)" : "end"}) - 1;
}
//#end

// The last tokens of four rows of a tile; a row before them does not see it. Tokens that do not count come after all rows.
fn ends_of(tile: u32, group: u32, first: u32) -> vec4<i32> {
//#if DENSE
  return vec4<i32>(i32(key_of(tile) + group * 8u + first)) + vec4<i32>(0, 1, 2, 3);
//#else
  let entry = ring[(tile & 15u) * #{TILE_GROUPS}u + #{GROUP == 8 ? "group" : "group * 2u + (first >> 2u)"}].y;
  let token = #{GROUP == 8 ? "first" : "0u"};
  let ends = vec4<i32>(last_token(entry, token), last_token(entry, token + 1u), last_token(entry, token + 2u), last_token(entry, token + 3u));
//#if WHOLE
  return ends;
//#else
  let counts = vec4<bool>(entry_counts(entry, token), entry_counts(entry, token + 1u), entry_counts(entry, token + 2u), entry_counts(entry, token + 3u));
  return select(vec4<i32>(0x7fffffff), ends, counts);
//#end
//#end
}

// The last key that a value of a tile averages; if the token does not count, that of the token read in its place.
fn value_end(tile: u32, row: u32) -> i32 {
//#if DENSE
  return i32(#{FULL ? "key_of(tile) + row" : "min(key_of(tile) + row, call.seq_k - 1u)"});
//#else
  let entry = ring[(tile & 15u) * #{TILE_GROUPS}u + row / #{GROUP}u].y;
  return last_token(entry, counted_token(entry, row % #{GROUP}u));
//#end
}

// The halves of a piece that are NaN or infinite, and those that are not; all others are 0.
fn strange_word(word: u32) -> u32 {
  return select(0u, word & 0xffffu, (word & 0x7c00u) == 0x7c00u) | select(0u, word & 0xffff0000u, (word & 0x7c000000u) == 0x7c000000u);
}
fn strange_part(piece: Piece) -> Piece {
  return Piece(strange_word(piece.x), strange_word(piece.y), strange_word(piece.z), strange_word(piece.w));
}
//#end
