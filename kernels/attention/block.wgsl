// Which query block a workgroup of attention works on, and whether it shares its keys with others: a named block of the templates of both
// kernels. SHARED: 0 where no block is shared, 1 where some are, 2 where all are.
//
// Where some are, workgroups lie along x, in the order in which blocks are taken, the parts of a shared block side by side; these leave
// their results in `partials`, at `place`, where merge.wgsl finds them. They are those of the first blocks, or of the last (SHARED_LAST).
//#block find_block
//#if SHARED == 2
  let is_shared = true;
  let place = wg.x;
  let turn = wg.x / call.parts;
  let part = wg.x % call.parts;
//#end
//#if SHARED == 1
//#if SHARED_LAST
  let is_shared = wg.x >= call.first_shared;
  let place = wg.x - call.first_shared;
  let turn = select(wg.x, call.first_shared + place / call.parts, is_shared);
  let part = select(0u, place % call.parts, is_shared);
//#else
  let is_shared = wg.x < call.shared_blocks * call.parts;
  let place = wg.x;
  let turn = select(wg.x - call.shared_blocks * (call.parts - 1u), wg.x / call.parts, is_shared);
  let part = select(0u, wg.x % call.parts, is_shared);
//#end
//#end
//#if DENSE
//#if SHARED > 0
  let row_of_block = #{HEADS_IN_TURN > 1 ? "row_in_turn(turn)" : "turn"};
  let head = row_of_block / call.blocks;
  let block = #{CAUSAL ? "call.blocks - 1u - row_of_block % call.blocks" : "row_of_block % call.blocks"};
//#else
//#if CAUSAL && HEADS_TOGETHER > 1
  // The last blocks, which are the longest, of several heads, then those before them: workgroups that run at the same time
  // have blocks of about the same length, begin together and read the same keys together.
  let turn = wg.y * grid.x + wg.x;
  let first_head = wg.y / #{HEADS_TOGETHER}u * #{HEADS_TOGETHER}u;
  let heads_together = min(#{HEADS_TOGETHER}u, grid.y - first_head);
  let turn_of_these = turn - first_head * grid.x;
  let head = first_head + turn_of_these % heads_together;
  let block = grid.x - 1u - turn_of_these / heads_together;
//#else
  let head = wg.y;
  let block = #{CAUSAL ? "grid.x - 1u - wg.x" : "wg.x"};
//#end
//#end
//#else
  // Those with the most tiles first.
//#if SHARED > 0
  let list_row = offsets[call.rows + 1u + turn];
  let head = list_row / call.blocks;
  let block = list_row % call.blocks;
//#else
  let turn = wg.y * grid.x + wg.x;
  let list_row = offsets[grid.x * grid.y + 1u + turn];
  let head = list_row / grid.x;
  let block = list_row % grid.x;
//#end
//#end
  let kv_head = (head / call.heads) * call.kv_heads + (head % call.heads) / (call.heads / call.kv_heads);
//#end
