// Token order: rows of q, k and v are gathered into the order of the blocks, and the rows of the output and
// of the log-sum-exp are scattered back.
//
// A row is WIDTH times 4 bytes, whatever the element type, and one invocation moves 4 bytes, so neighbours read
// and write neighbouring bytes of a row: the kernel runs at the speed of memory. The order covers the first ORDERED
// tokens of a head; those after it (text) are not moved.

override SCATTER: bool;     // from the order back to where tokens came from; else into the order
override WIDTH: u32;        // u32s a row
override HEADS: u32;        // heads, through all batch entries
override TOKENS: u32;       // tokens per head
override ORDERED: u32;      // tokens that the order moves, the first ones
override ORDERS: u32;       // 1 if all heads share an order, else HEADS

@group(0) @binding(0) var<storage, read> order: array<u32>;
@group(0) @binding(1) var<storage, read> rows_in: array<u32>;
@group(0) @binding(2) var<storage, read_write> rows_out: array<u32>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lid: u32,
) {
  let index = (group.y * groups.x + group.x) * 256u + lid;
  let row = index / WIDTH;
  if (row >= HEADS * TOKENS) { return; }
  let head = row / TOKENS;
  var token = row % TOKENS;
  if (token < ORDERED) { token = order[head % ORDERS * ORDERED + token]; }
  let moved = (head * TOKENS + token) * WIDTH + index % WIDTH;
  if (SCATTER) { rows_out[moved] = rows_in[index]; } else { rows_out[index] = rows_in[moved]; }
}
