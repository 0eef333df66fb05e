// The numbers of one chunk of a head, the same for every kernel of the truth.
//
// Query rows are worked through in tiles of 64 that do not cross the border of a query block; a chunk is so many whole
// query blocks that their scores fit into the scratch buffer. Rows of a tile that the head does not have are computed
// like others, from zeros, and never read.

struct Call {
  rows: u32,        // query rows of the head
  block: u32,       // rows of a query block
  first_tile: u32,  // the first tile of the chunk, counted through the head
  width: u32,       // scores of a row, a multiple of 64
  list_stride: u32, // entries between one query block's list and the next; 0: one list for all
  shift: i32,       // a row's position minus its index
  columns: u32,     // scores of a row that exist
  key_block: u32,   // columns of a key block
}

@group(0) @binding(0) var<uniform> call: Call;

fn tiles_of_block() -> u32 { return (call.block + 63u) / 64u; }

// The head's row that is row i of a tile; `call.rows` where there is none.
fn row_of(tile: u32, i: u32) -> u32 {
  let inside = tile % tiles_of_block() * 64u + i;
  return select(call.rows, min(tile / tiles_of_block() * call.block + inside, call.rows), inside < call.block);
}
