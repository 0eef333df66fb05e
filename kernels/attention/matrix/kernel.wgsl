// Attention over the pyramid (docs/definition.md#attention) by matrix units: the same contract, inputs, lists and outputs as
// tiled/kernel.wgsl, for float16. A template (template.ts): lines that begin with //# unroll and choose in the text.
//
// Work. One workgroup owns ROWS query rows of a head and a part of the value columns, and walks tiles of 32 keys, whose
// groups come from anywhere, as in the tiled kernel. Subgroups of 32 lanes form row groups of two: both hold the same 32 query
// rows, and one multiplies the first 16 keys of a tile, the other one the last. Queries stay in registers as matrices, and so do
// sums of outputs, in float32. The device's product is M x N x K: 32 rows are 32 / M matrices, 16 keys 16 / N, a step K channels, or in
// the second product K keys. Where rows are narrow (ALONE: up to 64 channels) a subgroup has registers for the sums of all
// columns over its own keys: halves are added up once, at the end. Else it makes half of the columns over all keys.
//
// A tile takes two phases. (1) Scores of this tile, which are there since the tile before, go
// through workgroup memory to lanes, which hold 16 keys of a row each (matrices cannot be indexed); they become weights
// in half precision, and go back; between these steps, in the text, stand the products of queries and the keys of the next
// tile, so that matrix units work while exponentials are made. (2) Weights times values. Both phases have a barrier behind them
// where halves read each other's weights. Keys are not read in phase 2 then, nor values in phase 1: that is when they are replaced,
// at the end of the phase, from registers that were loaded a tile before. So no phase waits for memory, and one buffer of each
// will do. ALONE there are two buffers of each, weights never leave the subgroup, and a tile has one barrier. Queries, keys and values
// are bound as writable: compilers move loads of read-only memory to where they are used, and then wait for them. Where the
// rows of a list's tile lie is looked up in phase 1, so that a load has nothing to wait for. Rows are padded by 16 bytes, scores to
// 24 numbers: then no two lanes access the same bank.
//
// Causal calls walk in two loops: tiles that all rows of the block see, without comparisons, then those at the diagonal, which begin
// where the record of a list says. Dense ones take the blocks of several heads in turn (block.wgsl): a tile costs a fifth less if
// workgroups read the same keys at the same time.
//
// The beginning is a chain of lookups, and nothing overlaps with it: a multiprocessor has room for one workgroup. So one record tells
// all of a list that has to be known; queries are asked for first, then the first entries, and the first keys (KEYS_EARLY) before
// queries are staged.
//
// The maximum of a row is fixed before its keys are walked, since sums that are matrices cannot be scaled. It is that of a
// sample: the first tile of a list; in dense attention the first one and the one at the diagonal. Softmax does not
// depend on it. What matters is that no weight passes the largest half, and that the weights that count are not lost: the
// true maximum is at least the sampled one, so the largest weight is at least 1. If the weights of a half of a row add up
// to LARGEST or more, or to no number, one of them may have passed it: the row is walked again with its exact maximum,
// found by a walk over scores alone. Other rows of the block keep theirs, so the keys that one row sees do not change another row. In an
// honest input that happens where a score is more than 16 (in base 2) above all of the sample.
//
// Lists. Entries are read ahead, 8 tiles at a time, into a ring in workgroup memory, and their rows in K and V looked up
// once; a list may have any length. Entries that only fill up a list of 128 tokens are not walked.
//
// A token that a row does not see has no influence on it, even where it is NaN. Tokens that do not count are read as one of their group
// that does, and get a score of -1e30. Values that some row of the block does not see (CAUSAL) are checked when they are
// stored: a value that is not finite becomes 0, and at the end, when outputs are written, is added to those of the rows that see it.
//
// Every index is in range, so this kernel may run unguarded. Rows of K and V: those of list entries, which levels make, or
// clamped to seq_k - 1. Rows of Q are clamped to seq_q - 1, rows of outputs compared with row_end. Records: a workgroup's turn is
// below the number of query blocks. Entries of a list: clamped to the last one, up to which lists are filled with whole tiles of 128
// tokens. Workgroup memory: rows below ROWS or 32 by construction, or compared with 32 (…_REST); ring: & 15.
//
// Lanes of a subgroup read what a matrix store of their own subgroup has written with no barrier between, and ALONE a matrix load
// reads what they have written: subgroups run in step here, which probe/matrices.ts tries before this kernel is chosen. Matrices are used in uniform control flow: loops
// count tiles, which all invocations of a workgroup agree on.

@compute @workgroup_size(#{THREADS})
fn main(
  @builtin(local_invocation_index) lid: u32, @builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u,
  @builtin(subgroup_id) subgroup_id: u32, @builtin(subgroup_invocation_id) lane: u32,
) {
  let subgroup = subgroupBroadcastFirst(subgroup_id);
  let row_group = subgroup >> 1u;
  let half = subgroup & 1u;                 // which 16 keys of a tile, which half of the columns
  let own = subgroup * #{REGION}u;          // where this subgroup exchanges scores and weights
  let both = row_group * #{2 * REGION}u;    // where both of a row group do
  // A lane reads the scores of its rows four at a time; lanes take two neighbours in turns, so that they fall on all banks.
  let swap = (lane >> 2u) & 1u;
  let is_swapped = swap == 1u;
//#for z in 0 .. LANE_ROWS
  let row#{z} = row_group * #{16 * ROW_TILES}u + #{32 * z}u + lane;
  let s#{z}a = own + (lane + #{32 * z}u) * 6u + swap;
  let s#{z}b = own + (lane + #{32 * z}u) * 6u + 1u - swap;
  let p#{z}_at = own + (lane + #{32 * z}u) * 3u;
//#end

//#use find_block
  let column_part = wg.z;
  let first_piece = #{V_PIECES <= V_ACROSS ? "0u" : "column_part * " + V_ACROSS + "u"};
  let first_row = block * #{BM}u;
  let row_end = min(first_row + #{BM}u, call.seq_q);
//#if CAUSAL
  let first_position = i32(first_row) + call.position;
//#end
//#use request_queries

//#if DENSE
//#if !FOLDED
  let first_key = call.levels[0].first_row + kv_head * call.levels[0].tokens;
//#end
//#if CAUSAL
  let all_tiles = (u32(clamp(i32(row_end) + call.position, 0, i32(call.seq_k))) + 31u) >> 5u;
//#else
  let all_tiles = (call.seq_k + 31u) >> 5u;
//#end
//#else
  // The record of the row (lists/turn.wgsl). Entries that only fill up its last 128 tokens are read, but not walked.
  let record = 3u * #{SHARED > 0 ? "call.rows" : "grid.x * grid.y"} + 1u + 3u * turn;
  let list_begin = offsets[record];
  let counted_groups = offsets[record + 1u];
  let all_groups = (counted_groups + #{4 * TILE_GROUPS - 1}u) / #{4 * TILE_GROUPS}u * #{4 * TILE_GROUPS}u;
  let all_tiles = (counted_groups + #{TILE_GROUPS - 1}u) / #{TILE_GROUPS}u;
//#if SHARED < 2
  if (lid < #{8 * TILE_GROUPS}u) { ring[lid] = item_of(list[list_begin + min(lid, max(all_groups, 1u) - 1u)], kv_head); }
//#if KEYS_EARLY
  workgroupBarrier();
//#end
//#end
//#end
//#if SHARED > 0
  // This workgroup's share of the tiles; one that has none leaves sums of 0, which merge.wgsl passes over.
  let share = select(all_tiles, max((all_tiles + call.parts - 1u) / call.parts, 4u * call.share), is_shared);
  let tiles_before = min(part * share, all_tiles);
  let tiles = min(share, all_tiles - tiles_before);
//#else
  let tiles_before = 0u;
  let tiles = all_tiles;
//#end
//#if !DENSE
  let first_group = list_begin + tiles_before * #{TILE_GROUPS}u;
  let groups = all_groups - tiles_before * #{TILE_GROUPS}u;
//#end
//#if FOLDED
  let first_key = call.levels[0].first_row + kv_head * call.levels[0].tokens + tiles_before * 32u;
//#end
//#if DENSE && SHARED > 0 && !FOLDED
  first_tile = tiles_before;
//#end
//#if SHARED > 0
  if (tiles == 0u && is_shared) {
    if (lid < #{BM}u && column_part == 0u) { partials[(place * #{BM}u + lid) * #{PARTIAL_PITCH}u + #{PARTIAL_PITCH - 1}u] = vec4f(); }
    return;
  }
//#end
//#if SHARED < 2
  if (tiles == 0u) {
    for (var at = lid; at < #{ROWS * V_ACROSS}u; at += #{THREADS}u) {
      let row = first_row + at / #{V_ACROSS}u;
      let piece = first_piece + at % #{V_ACROSS}u;
      if (row < row_end && piece < #{V_PIECES}u) { out[(head * call.seq_q + row) * #{V_PIECES}u + piece] = Piece(); }
      if (row < row_end && piece == 0u) { lse[head * call.seq_q + row] = call.minus_infinity; }
    }
    return;
  }
//#end
  let last = tiles - 1u;

//#if !DENSE && SHARED > 0
  #{SHARED == 1 ? "if (part > 0u)" : ""} {
    if (lid < #{8 * TILE_GROUPS}u) { ring[lid] = item_of(list[first_group + min(lid, groups - 1u)], kv_head); }
    workgroupBarrier();
  }
//#end
  // The pieces of each tile that this invocation loads.
//#for n in 0 .. K_LOADS
  let k_row#{n} = #{THREADS % K_ACROSS == 0 ? "lid / " + K_ACROSS + "u + " + n * THREADS / K_ACROSS + "u" : "(lid + " + n * THREADS + "u) / " + K_ACROSS + "u"};
  let k_piece#{n} = #{THREADS % K_ACROSS == 0 ? "lid % " + K_ACROSS + "u" : "(lid + " + n * THREADS + "u) % " + K_ACROSS + "u"};
//#end
//#for n in 0 .. V_LOADS
  let v_row#{n} = #{THREADS % V_ACROSS == 0 ? "lid / " + V_ACROSS + "u + " + n * THREADS / V_ACROSS + "u" : "(lid + " + n * THREADS + "u) / " + V_ACROSS + "u"};
  let v_piece#{n} = #{THREADS % V_ACROSS == 0 ? "lid % " + V_ACROSS + "u" : "(lid + " + n * THREADS + "u) % " + V_ACROSS + "u"};
//#end
  // Where it goes; the others lie whole rows behind the first one, unless rows have no simple number of pieces.
  let k_place = k_row0 * #{K_PITCH}u + k_piece0;
  let v_place = v_row0 * #{V_PITCH}u + v_piece0;
  let k_read = half * #{16 * K_PITCH}u;
  let v_read = half * #{ALONE ? 16 * V_PITCH : V_ACROSS / 2}u;
//#for z in 0 .. LANE_ROWS
  let position#{z} = i32(first_row + row#{z}) + call.position;
  var max#{z} = MASKED;                     // stays, until the row has a maximum that will do
  var top#{z} = MASKED;
  var sum#{z} = 0.0;
//#end
//#for i in 0 .. ROW_MATRICES
//#for n in 0 .. KEY_MATRICES
  var s#{i * KEY_MATRICES + n} = Sums();
//#end
//#for j in 0 .. COLUMNS
  var o#{i}_#{j} = Sums();
//#end
//#end
//#if CAUSAL
  var is_strange = false;
  // Tiles before this one need no comparisons.
  let all_seen = #{DENSE ? "u32(clamp(first_position + 1, 0, i32(call.seq_k))) >> 5u" : "offsets[record + 2u] / " + TILE_GROUPS + "u"};
  let seen_tiles = min(max(all_seen, tiles_before#{ALONE ? " + 1u" : ""}) - tiles_before#{ALONE ? " - 1u" : ""}, tiles);
//#end

  var is_exact = false;
//#if KEYS_EARLY
//#use request_first_keys
//#end
//#use stage_queries
  loop {
//#use sample
//#use walk
    if (workgroupUniformLoad(&again) == 0u || is_exact) { break; }
    is_exact = true;
  }

//#use output
}
