// The order in which attention takes the rows of work lists: those behind the offsets. Behind it lie the lengths of the lists, without entries
// that only fill them up, and the records of rows in that order, so that attention has all it needs to know in one read. A part of the
// kernels that write lists.

// Puts a row behind those that it is ordered with that have longer lists, or as long ones and come before it; `seen`: entries that all of its
// queries see.
fn take_turn(row: u32, rows: u32, lid: u32, seen: u32) {
  let first_row = select(row / ROWS_TOGETHER * ROWS_TOGETHER, ROWS_ALONE, row >= ROWS_ALONE);
  let end = select(min(first_row + ROWS_TOGETHER, ROWS_ALONE), rows, row >= ROWS_ALONE);
  let length = offsets[2u * rows + 1u + row];
  var before = 0u;
  for (var other = first_row + lid; other < end; other += THREADS) {
    let others = offsets[2u * rows + 1u + other];
    if (others > length || (others == length && other < row)) { before++; }
  }
  scan[lid] = before;
  for (var width = THREADS / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lid < width) { scan[lid] += scan[lid + width]; }
  }
  if (lid == 0u) {
    let turn = first_row + scan[0];
    let record = 3u * rows + 1u + 3u * turn;
    offsets[rows + 1u + turn] = row;
    offsets[record] = offsets[row];
    offsets[record + 1u] = length;
    offsets[record + 2u] = min(seen, length);
  }
}
