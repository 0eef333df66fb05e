// Importance of key blocks, first part, by matrix units: the contract, inputs and outputs of ../scores.wgsl, for float16, with
// sums in float32. A template (template.ts).
//
// Work. A workgroup owns 128 rows (sampled queries, groups of queries) and walks SPANS times #{SPAN} columns. Subgroups form
// GROUPS columns of four; each makes scores of 32 rows x 16 * COLUMN_TILES columns at a time, by the device's product M x N x K: 32 / M
// matrices of rows, 16 / N of 16 columns, steps of K channels.
// If one row of keys is one token, queries stay in registers as matrices (STAYS), a step is a whole tile of keys, and there are
// two buffers of them: while lanes reduce the scores of a tile, matrix units make those of the next one, and the one after
// is stored, so that a tile takes one barrier and subgroups need not be at the same place of it. Such a workgroup has four
// subgroups, so that a multiprocessor has several that wait at different times; keys of wide heads are asked for two tiles before
// they are stored (SETS). Rows of several tokens (antidiagonal) stream through the same buffers in steps of 32 channels, queries
// and keys, and sums stay in registers until the row is over.
//
// Matrices cannot be indexed: scores go through workgroup memory to lanes, 16 columns of a row each, 32 rows at a time. A lane
// reduces them, and goes on over the chunks of 16 columns of a key block: a subgroup walks whole key blocks, its neighbour
// the next ones, so that nothing has to be added up between subgroups.
//
// Every index is in range, so this kernel may run unguarded. Tokens are clamped to the last one, offsets taken modulo their
// number, key blocks compared with N. Workgroup memory: rows of buffers by construction. Lanes read what a matrix store of
// their own subgroup has written with no barrier between (probe/matrices.ts).

@compute @workgroup_size(#{THREADS})
fn main(
  @builtin(local_invocation_index) lid: u32, @builtin(workgroup_id) group: vec3u,
  @builtin(subgroup_id) subgroup_id: u32, @builtin(subgroup_invocation_id) lane: u32,
) {
  let subgroup = subgroupBroadcastFirst(subgroup_id);
  let row_group = subgroup / #{GROUPS}u;
  let neighbour = subgroup % #{GROUPS}u;
  let exchange = #{EXCHANGE}u + subgroup * 192u;
  let swap = (lane >> 2u) & 1u;   // lanes read two neighbours in turns, so that they fall on all banks
  let a_at = exchange + lane * 6u + swap;
  let b_at = exchange + lane * 6u + 1u - swap;

  let row_tile = group.y + range.first_tile;
  let head = row_tile / ROW_TILES_OF_HEAD;
  let first_row = row_tile % ROW_TILES_OF_HEAD * 128u;
  let table = head * OFFSET_STRIDE;
  let q_head = head * Q_TOKENS;
  let k_head = head / GROUP * K_TOKENS;
  let begin = group.x * SPANS * #{SPAN}u;
  let out = group.y * N;

  // Tiles of which some row sees something; the columns of the others are hidden.
  var end = min(begin + SPANS * #{SPAN}u, COLUMNS);
  if (CAUSAL) { end = min(end, u32(clamp(i32(first_row) + 128 + SHIFT, 0, i32(COLUMNS)))); }
  let rounds = (max(end, begin) - begin + #{16 * CHUNKS * GROUPS - 1}u) / #{16 * CHUNKS * GROUPS}u;
  let tiles = (rounds * #{CHUNKS}u + #{COLUMN_TILES - 1}u) / #{COLUMN_TILES}u;

  let load_row = lid / #{BUFFER_ACROSS}u;
  let load_piece = lid % #{BUFFER_ACROSS}u;
//#for n in 0 .. Q_LOADS
  let q_line#{n} = first_row + load_row + #{n * LOAD_ROWS}u;
  let q_token#{n} = q_line#{n} / Q_SAMPLES * Q_BLOCK + offsets[table + q_line#{n} % Q_SAMPLES];
  var q#{n} = Piece();
//#end
//#for set in 0 .. SETS
//#for n in 0 .. K_LOADS
  var k#{set}_#{n} = Piece();
//#end
//#end
//#if OWN_OFFSETS
//#for c in 0 .. CHUNKS
//#for p in 0 .. OFFSET_ROWS
  let offset#{c}_#{p} = offsets[table + Q_SAMPLES + (load_row % 16u + #{16 * c + LOAD_ROWS * p}u) % K_SAMPLES];
//#end
//#end
//#end
  let line = first_row + row_group * 32u + lane;
  var seen = select(0u, COLUMNS, line < ROWS);
  if (CAUSAL) { seen = min(seen, u32(clamp(i32(line) + SHIFT + 1, 0, i32(COLUMNS)))); }
  var best = HIDDEN;   // of the columns so far of a key block
//#for i in 0 .. 32 / M
//#for j in 0 .. COLUMN_TILES * 16 / N
  var s#{i}_#{j} = Sums();
//#end
//#end

//#if STAYS
  // Queries become matrices, 16 rows of each row group at a time, by way of the buffers.
//#for i in 0 .. 2
  for (var at = lid; at < #{64 * ACROSS}u; at += #{THREADS}u) {
    let local = at / #{ACROSS}u;
    let line = first_row + local / 16u * 32u + #{16 * i}u + local % 16u;
    let token = line / Q_SAMPLES * Q_BLOCK + offsets[table + line % Q_SAMPLES];
    staged[local * #{PITCH}u + at % #{ACROSS}u] = query_piece(q_head, token, at % #{ACROSS}u, 0u);
  }
  workgroupBarrier();
//#for m in 0 .. 16 / M
//#for step in 0 .. STEPS
  let q#{i * 16 / M + m}_#{step} = subgroupMatrixLoad<Left, row_major>(&staged, row_group * #{16 * PITCH}u + #{m * M * PITCH + step * K / 8}u, #{PITCH}u);
//#end
//#end
  workgroupBarrier();
//#end
//#end

//#if STAYS
  if (tiles > 0u) {
//#for n in 0 .. 2
    {
      let next = #{n * BUFFER}u;
      let tile = min(#{n}u, tiles - 1u);
//#for set in 0 .. 1
//#use request
//#use keep
//#end
    }
//#end
//#for set in 0 .. SETS
    {
      let tile = min(#{2 + set}u, tiles - 1u);
//#use request
    }
//#end
  }
  workgroupBarrier();
  {
    let next = 0u;
//#use multiply
  }
  workgroupBarrier();
  for (var first_tile = 0u; first_tile < tiles; first_tile += #{SETS}u * range.one) {
//#for set in 0 .. SETS
    {
    let tile_now = first_tile + #{set}u;
//#if set > 0
    if (tile_now == tiles) { break; }
//#end
//#use give_scores
    let now = #{SETS == 2 ? set * BUFFER + "u" : "(tile_now & 1u) * " + BUFFER + "u"};
    {
      let next = #{BUFFER}u - now;
//#use multiply
    }
    let chunk = tile_now;
    let column = begin + first_column(chunk, neighbour);
    {
//#use reduce_chunk
    }
    {
      let next = now;
//#use keep
    }
    {
      let tile = min(tile_now + #{2 + SETS}u, tiles - 1u);
//#use request
    }
    workgroupBarrier();
    }
//#end
  }
//#else
  let steps = tiles * #{TILE_STEPS}u;
  if (steps > 0u) {
    {
      let next = 0u;
      let step = 0u;
      let tile = 0u;
//#for set in 0 .. 1
//#use request
//#end
//#for set in 0 .. 1
//#use keep
//#end
    }
    {
      let step = 1u;
      let tile = 0u;
//#for set in 0 .. 1
//#use request
//#end
    }
  }
  workgroupBarrier();
  for (var at = 0u; at < steps; at += range.one) {
    let now = (at & 1u) * #{BUFFER}u;
    let next = #{BUFFER}u - now;
    if (at % #{TILE_STEPS}u == 0u) {
//#for i in 0 .. 32 / M
//#for j in 0 .. COLUMN_TILES * 16 / N
      s#{i}_#{j} = Sums();
//#end
//#end
    }
//#for step in 0 .. 32 / K
    {
//#for i in 0 .. 32 / M
      let rows#{i} = subgroupMatrixLoad<Left, row_major>(&staged, now + (row_group * 32u + #{M * i}u) * #{PITCH}u + #{step * K / 8}u, #{PITCH}u);
//#end
//#for j in 0 .. COLUMN_TILES * 16 / N
      let columns#{j} = subgroupMatrixLoad<Right, col_major>(&staged, now + #{128 * PITCH}u + (neighbour * #{16 * COLUMN_TILES}u + #{N * j}u) * #{PITCH}u + #{step * K / 8}u, #{PITCH}u);
//#for i in 0 .. 32 / M
      s#{i}_#{j} = subgroupMatrixMultiplyAccumulate(rows#{i}, columns#{j}, s#{i}_#{j});
//#end
//#end
    }
//#end
    if (at % #{TILE_STEPS}u == #{TILE_STEPS - 1}u) {
      workgroupBarrier();
//#for j in 0 .. COLUMN_TILES
      {
        let chunk = at / #{TILE_STEPS}u * #{COLUMN_TILES}u + #{j}u;
        let column = begin + first_column(chunk, neighbour);
//#use give_scores
        {
//#use reduce_chunk
        }
      }
//#end
      workgroupBarrier();
    }
//#for set in 0 .. 1
//#use keep
//#end
    {
      let step = min(at + 2u, steps - 1u) % #{TILE_STEPS}u;
      let tile = min(at + 2u, steps - 1u) / #{TILE_STEPS}u;
//#for set in 0 .. 1
//#use request
//#end
    }
    workgroupBarrier();
  }
//#end

  // Columns of which no row sees anything.
  let first = (begin + tiles * #{16 * COLUMN_TILES * GROUPS}u) / #{BLOCK_COLUMNS}u;
  let past = min((begin + SPANS * #{SPAN}u) / #{BLOCK_COLUMNS}u, N);
  for (var job = first * 128u + lid; job < past * 128u; job += #{THREADS}u) {
    scores[(out + job / 128u) * 128u + job % 128u] = HIDDEN;
  }
}
