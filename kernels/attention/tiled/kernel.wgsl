// Attention over the pyramid (docs/definition.md#attention): softmax of scale * q . k + ln(count) over the pooled tokens that a query
// block sees, in one pass over them. A template (template.ts): lines that begin with //# unroll and choose in the text.
//
// Work. One workgroup owns BM query rows of one head and a part of the value columns, and walks tiles of 128 keys. A tile
// is 16 groups of 8 pooled tokens, and the groups come from anywhere: pooled blocks of every level share tiles, so that a
// density of 5 % costs 5 %. The groups of a tile are read from a list, one u32 per group (lists/entry.ts); with level 1
// everywhere (DENSE) the list is the order of the keys and is not stored. Where blocks of some level have fewer than 8
// tokens, the 8 of a lane are two groups of 4 (GROUP, PER_LANE).
//
// Registers. Threads form 16 columns (tx) by BM / 8 rows (ty). Each computes the scores of 8 query rows x 8 keys, the
// tokens of group tx, and then 8 rows x 8 columns of the output (SPLIT: with 64 columns or fewer, the two halves of tx
// take different keys, and are added at the end). A row lives in 16 lanes of one subgroup: its maximum takes 4 shuffles
// (SUBGROUPS), or a round through workgroup memory.
//
// Memory. K, V and Q are read where they lie, token after token; nothing is transposed beforehand, so dense attention needs
// no pass before it and level 1 no copy. Four words of a token are one 16-byte piece. A step of the first product reads
// one channel of 8 rows and of 8 keys, so Q and K are transposed on their way into workgroup memory, word by word:
// [channel][half of 8 tokens][8 tokens], each entry four tokens; then 16 operands live in registers, not 40. The place of 8
// tokens is xored with the piece, so that stores and loads of a warp fall on all banks. A chunk of the second product takes
// the j-th token of all 16 groups. Arrays are nested, with constants for all indices but the thread's own: the compiler's
// clamps are then computed once. Two chunks can be unrolled at once (…_AT_ONCE), so that which buffer is read is a
// constant as well; variant.ts says where that won. In float32 keys and values are bound as writable (KEYS_ACCESS):
// compilers move loads of read-only memory to where they are used, and then wait for them.
//
// A chunk loads the next one, waits at the barrier for the data that the previous one stored, computes, and stores its
// loads: with the loads before the barrier, the compiler moves none behind it. Query blocks with the longest lists are
// taken first, so that at the end of a call no multiprocessor works alone.
//
// A token that a row does not see has no influence on it, even where it is NaN. Tokens of a group that do not count are read as one that does,
// and need no mask but a weight of zero; only where groups are not WHOLE does that cost anything. In tiles that the causal
// diagonal crosses, rows see different keys: there an invocation checks its values first, and if one of them is not finite,
// uses products in which a weight of zero adds nothing for any value. That costs a causal call 6 to 23 %, so a call
// with many keys has a second kernel without it (not CAREFUL), which runs where all values are finite (choice.wgsl).
//
// Softmax is in base 2, online: `scale` carries log2(e), ln(count) becomes log2(count), a masked key gets -1e30, and a row
// whose weights add up to 0 saw nothing.
//
// The last tile of a list is often filled in part (LAST_TILES, float32). If half of its groups are there, or fewer, all lanes share their
// scores: each half or quarter of tx takes some of the channels, and lanes add up what they have. Values of groups that only fill up the
// list are left out, four groups at a time. The text for that unrolls 4 steps, in a loop. Branches within the text of 16 steps cost every tile 4 to
// 12 %, so whole tiles and last ones have a loop each; with more than 6 tiles per list, the second text costs more than it saves.
//
// Short calls, in which the longest lists are shared, are over before the text of 16 steps has come to the
// instruction cache, which costs 10 microseconds: all their tiles have the text of last ones, which is a third as long. A tile takes
// longer then, so that from 4,096 tokens on it does not pay. Arrays have one more level then (NEST), whose last index is a constant.
//
// Without subgroups the inner loops are not unrolled: software Vulkan then compiles in half the time and runs as fast.
// bench/README.md has the gain of each of these, and changes that gained nothing.
//
// float16 (F16): a word is a pair. Scores pair channels, the second product pairs neighbouring keys, so that every
// multiply-add works on two halves. Sums of at most 64 steps stay in half precision (scores of more than 128 channels: of up to 128
// steps, since a second sum of each took 14 % longer), all else is float32; Q is halved PRESHIFT times before, which is exact, so
// that large logits do not overflow.

@compute @workgroup_size(#{THREADS})
fn main(
  @builtin(local_invocation_index) lid: u32, @builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u,
) {
  let ty = ((lid >> 5u) << 1u) | (lid & 1u);
  let tx = (lid >> 1u) & 15u;
  let ty_write = (ty ^ ((tx & 3u) << 1u)) & #{TY - 1}u;
//#if SPLIT
  let part_of_keys = tx >> 3u;
  let column = tx & 7u;
//#else
  let column = tx;
//#end
//#use find_block
  let column_part = wg.z;
  let first_piece = column_part * #{COLUMN_PIECES}u;

  // Its tiles.
  let first_row = block * #{BM}u;
//#if DENSE
  let list_begin = 0u;
//#if CAUSAL
  let past = clamp(i32(min(first_row + #{BM}u, call.seq_q)) + call.position, 0, i32(call.seq_k));
  let all_tiles = (u32(past) + 127u) >> 7u;
//#else
  let all_tiles = (call.seq_k + 127u) >> 7u;
//#end
//#else
  let list_begin = offsets[list_row];
  let all_tiles = (offsets[list_row + 1u] - list_begin) / #{16 * PER_LANE}u;
//#end
//#if SHARED > 0
  // This workgroup's share of the tiles; one that has none leaves sums of 0, which merge.wgsl passes over.
  let share = select(all_tiles, max((all_tiles + call.parts - 1u) / call.parts, call.share), is_shared);
  let first_tile = min(part * share, all_tiles);
  let tiles = min(share, all_tiles - first_tile);
  if (tiles == 0u && is_shared) {
    if (lid < #{BM}u && column_part == 0u) { partials[(place * #{BM}u + lid) * #{PARTIAL_PITCH}u + #{PARTIAL_PITCH - 1}u] = vec4f(); }
    return;
  }
//#else
  let first_tile = 0u;
  let tiles = all_tiles;
//#end
  let first_group = list_begin + first_tile * #{16 * PER_LANE}u;

  // The pieces of each chunk that this thread loads: one piece of two query rows and of #{LOADS} keys, then #{LOADS} pieces of values.
  let piece = lid & 3u;
  let token = (lid >> 2u) & 3u;
  let q_lane = ((lid >> 4u) ^ (2u * piece)) & #{TY - 1}u;
//#for h in 0 .. 2
  let q_row#{h} = min(first_row + (lid >> 4u) * 8u + #{4 * h}u + token, call.seq_q - 1u);
  let q_at#{h} = (head * call.seq_q + q_row#{h}) * #{D_PIECES}u + piece;
//#end
//#for g in 0 .. K_GROUPS
  let k_group#{g} = (lid >> 4u) + #{g * THREADS / 16}u;
  let k_lane#{g} = k_group#{g} ^ (2u * piece);
//#if WHOLE
//#for e in 0 .. PER_LANE
  var k_at#{g}_#{e} = (row_of(group_at(k_group#{g} * #{PER_LANE}u + #{e}u, first_group), kv_head) + token) * #{D_PIECES}u + piece;
//#end
//#else
//#for h in 0 .. 2
  var k_at#{g}_#{h} = counted_row(group_at(k_group#{g} * #{PER_LANE}u + #{h * (PER_LANE - 1)}u, first_group), kv_head,
    token + #{4 * h * (2 - PER_LANE)}u) * #{D_PIECES}u + piece;
//#end
//#end
//#end
  let v_column = lid & #{V_ACROSS - 1}u;
  let v_piece = first_piece + v_column;
  let v_half = (lid / #{V_ACROSS}u) & #{SPLIT ? 1 : 0}u;
//#for n in 0 .. V_GROUPS
  let v_group#{n} = (lid + #{n * THREADS}u) / #{V_ACROSS * (SPLIT ? 2 : 1)}u;
//#end

//#for i in 0 .. 8
//#for c in 0 .. 8
  var o#{i}_#{c} = 0.0;
//#end
//#end
  var max_a = vec4f(MASKED);
  var max_b = vec4f(MASKED);
  var sum_a = vec4f();
  var sum_b = vec4f();
//#for n in 0 .. 2
  var q#{n} = Piece();
//#end
//#for n in 0 .. LOADS
  var f#{n} = Piece();
//#end
  var b = 0u;
  {
    let next = 0u;
    let q_next = 0u;
    let next_chunk = 0u;
//#use request_keys
//#use store_keys
  }

  var tile = 0u;
//#for last in WHOLE_TILES ? 0 : 1 .. LAST_TILES ? 2 : 1
  for (; #{last || !LAST_TILES ? "tile" : "tile + 1u"} < tiles; tile++) {
//#for e in 0 .. PER_LANE
    let own_group#{e} = group_at((tile * 16u + tx) * #{PER_LANE}u + #{e}u, first_group);
//#for n in 0 .. V_GROUPS
//#if WHOLE
    let v_row#{n}_#{e} = row_of(group_at((tile * 16u + v_group#{n}) * #{PER_LANE}u + #{e}u, first_group), kv_head)
      + v_half * #{F16 ? 2 : 1}u - #{e * GROUP}u;
    let v_at#{n}_#{e} = v_row#{n}_#{e} * #{V_PIECES}u + v_piece;
//#else
    let v_entry#{n}_#{e} = group_at((tile * 16u + v_group#{n}) * #{PER_LANE}u + #{e}u, first_group);
//#end
//#end
//#end
//#if last
    // How many fours of the groups are not there only to fill up the tile. If they are one or two, all lanes share their scores: each has a
    // part of the channels.
    var used = 4u;
    if (tile + 1u == tiles) {
//#for n in 1 .. 4
      if (entry_fills(group_at((tile * 16u + #{4 * n}u) * #{PER_LANE}u, first_group))) { used -= 1u; }
//#end
    }
    let turns = select(used, 4u, used == 3u);
    let key_tx = tx & (4u * turns - 1u);
    let first_four = (tx >> 2u) & (4u - turns);
//#end

//#use scores

    // The keys of the next tile.
    let next_tile = min(tile + 1u, tiles - 1u);
//#for g in 0 .. K_GROUPS
//#if WHOLE
//#for e in 0 .. PER_LANE
    k_at#{g}_#{e} = (row_of(group_at((next_tile * 16u + k_group#{g}) * #{PER_LANE}u + #{e}u, first_group), kv_head) + token)
      * #{D_PIECES}u + piece;
//#end
//#else
//#for h in 0 .. 2
    k_at#{g}_#{h} = counted_row(group_at((next_tile * 16u + k_group#{g}) * #{PER_LANE}u + #{h * (PER_LANE - 1)}u, first_group),
      kv_head, token + #{4 * h * (2 - PER_LANE)}u) * #{D_PIECES}u + piece;
//#end
//#end
//#end

//#if CAREFUL
    // Whether some row of the block does not see some key of the tile.
//#if MASK
    let crossed = true;
//#else
//#if DENSE
    let crossed = i32((first_tile + tile) * 128u + 128u) > i32(first_row) + call.position + 1;
//#else
//#if WHOLE
    // entries lie in the order of their keys
    let last_entry = group_at(tile * #{16 * PER_LANE}u + #{16 * PER_LANE - 1}u, first_group);
    let last_end = ((entry_index(last_entry) + 1u) * #{GROUP}u) << entry_log_level(last_entry);
//#else
    // a group may have tokens of blocks that lie behind those of later entries
    var last_end = 0u;
    for (var i = 0u; i < #{16 * PER_LANE}u; i++) {
      let entry = group_at(tile * #{16 * PER_LANE}u + i, first_group);
      last_end = max(last_end, ((entry_index(entry) + 1u) * #{GROUP}u) << entry_log_level(entry));
    }
//#end
    let crossed = i32(last_end) > i32(first_row) + call.position + 1;
//#end
//#end
//#end
//#use softmax

//#use values
  }
//#end

//#use output
}
