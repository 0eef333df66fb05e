// The numbers of a call, as attention.ts writes them; all kernels of attention read them.

struct Call {
  scale: f32,              // log2(e) * scale, times 2^PRESHIFT in the tiled kernel; the one with matrices has SCALE for it
  minus_infinity: f32,
  seq_q: u32,
  seq_k: u32,              // where keys end: with replicated tails, the end of the last block
  position: i32,           // of query 0 among the keys
  heads: u32,              // query heads a batch entry
  kv_heads: u32,           // key heads a batch entry
  one: u32,                // 1: a step that compilers do not know, so that they unroll no loop over tiles
  levels: array<LevelRows, 8>, // where each level lies in K and V, by log2(level)
  rows: u32,               // query blocks of all heads
  blocks: u32,             // query blocks of a head
  shared_blocks: u32,      // query blocks whose keys several workgroups share: neighbours in the order in which they are taken
  parts: u32,              // workgroups that share the keys of such a block
  share: u32,              // tiles of 128 keys that each of them has at least, if there are so many
  first_shared: u32,       // blocks before the first of them in that order: 0, or all that are not shared
}
//#if HEADS_IN_TURN > 1

// The query block, counted over all heads, that is taken at a place of the order in which neighbouring heads take turns.
fn row_in_turn(turn: u32) -> u32 {
  let first_head = turn / (#{HEADS_IN_TURN}u * call.blocks) * #{HEADS_IN_TURN}u;
  let heads = min(#{HEADS_IN_TURN}u, call.rows / call.blocks - first_head);
  let turn_of_these = turn - first_head * call.blocks;
  return (first_head + turn_of_these % heads) * call.blocks + turn_of_these / heads;
}
//#end
