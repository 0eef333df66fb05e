// Importance of key blocks, first part, by matrix units: the contract, inputs and outputs of ../scores.wgsl, for float16, with
// sums in float32. A template (template.ts).
//
// Work. A workgroup of 8 subgroups owns 128 rows (sampled queries, groups of queries) and walks SPANS times #{SPAN} columns.
// Subgroups form GROUPS columns of subgroups; each makes scores of 16 * ROW_TILES rows x 16 * COLUMN_TILES columns at a time.
// If one row of keys is one token, queries stay in registers as matrices (STAYS), a step is a whole tile of keys, and there are
// two buffers of them: while lanes reduce the scores of a tile, matrix units make those of the next one, and the one after
// is stored, so that a tile takes one barrier and subgroups need not be at the same place of it. Rows of several tokens
// (antidiagonal) stream through the same buffers in steps of 32 channels, queries and keys, and sums stay in registers
// until the row is over.
//
// Matrices can not be indexed: scores go through workgroup memory to lanes, 16 columns of a row each, 32 rows at a time. A lane
// reduces them, and goes on over the chunks of 16 columns of a key block: a subgroup walks whole key blocks, its neighbour
// the next ones, so that nothing has to be added up between subgroups.
//
// Every index is in range, so this kernel may run unguarded. Tokens are clamped to the last one, offsets taken modulo their
// number, key blocks compared with N. Workgroup memory: rows of buffers by construction. Lanes read what a matrix store of
// their own subgroup has written with no barrier between (probe/matrices.ts).

struct Range { first_tile: u32, one: u32 } // of the row tiles whose scores are in memory; a step that compilers do not know

@group(0) @binding(0) var<uniform> range: Range;
@group(0) @binding(1) var<storage, read> queries: array<Piece>;
// Writable, which it is not: compilers move loads of read-only memory to where they are used, and then wait for them.
@group(0) @binding(2) var<storage, read_write> keys: array<Piece>;
@group(0) @binding(3) var<storage, read> offsets: array<u32>;   // per head: Q_SAMPLES of queries, K_SAMPLES of keys
@group(0) @binding(4) var<storage, read_write> scores: array<f32>; // [row tile][key block][128 rows]

alias Piece = vec4<u32>; // 8 halves

override Q_TOKENS: u32;       // as in ../scores.wgsl
override K_TOKENS: u32;
override Q_BLOCK: u32;
override K_BLOCK: u32;
override Q_SAMPLES: u32;
override K_SAMPLES: u32;
override OFFSET_STRIDE: u32;
override GROUP: u32;
override ROWS: u32;
override COLUMNS: u32;
override N: u32;
override ROW_TILES_OF_HEAD: u32;
override SPANS: u32;          // of #{SPAN} columns, a workgroup
override FACTOR: f32;
override CAUSAL: bool;
override SHIFT: i32;

const HIDDEN = -1.0e30;
var<workgroup> staged: array<Piece, #{MEMORY}>; // two buffers of keys, or of queries and keys; scores on their way to lanes

// The piece of a row whose first token is `token`, for a step; beyond the last channel, zeros.
fn query_piece(head: u32, token: u32, piece: u32, part: u32) -> Piece {
//#if D_PIECES != ACROSS
  if (piece >= #{D_PIECES}u) { return Piece(); }
//#end
  return queries[(head + min(token + #{PARTS - 1}u - part, Q_TOKENS - 1u)) * #{D_PIECES}u + piece];
}

// The like of a column, whose tokens ascend where those of a row descend.
fn key_piece(head: u32, token: u32, piece: u32, part: u32) -> Piece {
//#if D_PIECES != ACROSS
  if (piece >= #{D_PIECES}u) { return Piece(); }
//#end
  return keys[(head + min(token + part, K_TOKENS - 1u)) * #{D_PIECES}u + piece];
}

// The first token of a column.
fn key_token(column: u32, table: u32) -> u32 {
  return column / K_SAMPLES * K_BLOCK + offsets[table + Q_SAMPLES + column % K_SAMPLES];
}

// The first column of a chunk of 16: a subgroup walks one key block after the other, its neighbours those between.
fn first_column(chunk: u32, neighbour: u32) -> u32 {
  return (chunk / #{CHUNKS}u * #{GROUPS}u + neighbour) * #{16 * CHUNKS}u + chunk % #{CHUNKS}u * 16u;
}

fn larger(a: f32, b: f32) -> f32 {
//#if LOG_SUM
  let top = max(a, b);
  return top + log2(exp2(a - top) + exp2(b - top));
//#else
  return max(a, b);
//#end
}

// One number for several columns that all count.
fn reduce(x: vec4f) -> f32 {
  let top = max(max(x.x, x.y), max(x.z, x.w));
//#if LOG_SUM
  let e = exp2(x - vec4f(top));
  return top + log2((e.x + e.y) + (e.z + e.w));
//#else
  return top;
//#end
}
fn reduce2(x: vec4f, y: vec4f) -> f32 {
//#if LOG_SUM
  let m = max(x, y);
  let top = max(max(m.x, m.y), max(m.z, m.w));
  let e = exp2(x - vec4f(top)) + exp2(y - vec4f(top));
  return top + log2((e.x + e.y) + (e.z + e.w));
//#else
  return reduce(max(x, y));
//#end
}
fn reduce4(x: vec4f, y: vec4f, z: vec4f, w: vec4f) -> f32 {
//#if LOG_SUM
  let m = max(max(x, y), max(z, w));
  let top = max(max(m.x, m.y), max(m.z, m.w));
  let e = (exp2(x - vec4f(top)) + exp2(y - vec4f(top))) + (exp2(z - vec4f(top)) + exp2(w - vec4f(top)));
  return top + log2((e.x + e.y) + (e.z + e.w));
//#else
  return reduce(max(max(x, y), max(z, w)));
//#end
}

// What an invocation loads of a step.
//#block request
    {
//#if !STAYS
      let part = step / #{STEPS_OF_TOKEN}u;
      let piece0 = step % #{STEPS_OF_TOKEN}u * 4u;
//#for n in 0 .. Q_LOADS
      q#{n} = query_piece(q_head, q_token#{n}, piece0 + load_piece, part);
//#end
//#end
//#for n in 0 .. K_LOADS
      {
        let row = #{LOAD_ROWS ? "load_row + " + n * LOAD_ROWS + "u" : "(lid + " + n * 256 + "u) / " + BUFFER_ACROSS + "u"};
        let piece = #{LOAD_ROWS ? "load_piece" : "(lid + " + n * 256 + "u) % " + BUFFER_ACROSS + "u"};
        let own = row / #{16 * COLUMN_TILES}u % #{GROUPS}u;
        let chunk = tile * #{COLUMN_TILES}u + row / 16u % #{COLUMN_TILES}u;
//#if OWN_OFFSETS
        let token = (begin + first_column(chunk, own) + row % 16u) / K_SAMPLES * K_BLOCK + #{CHUNKS == 1 ? "offset0" : "select(offset0, offset1, chunk % 2u == 1u)"};
//#else
        let token = key_token(begin + first_column(chunk, own) + row % 16u, table);
//#end
        k#{n} = key_piece(k_head, token, #{STAYS ? "piece" : "piece0 + piece"}, #{STAYS ? "0u" : "part"});
      }
//#end
    }
//#end
//#block keep
    {
//#for n in 0 .. Q_LOADS
      staged[next + (load_row + #{n * LOAD_ROWS}u) * #{PITCH}u + load_piece] = q#{n};
//#end
//#for n in 0 .. K_LOADS
//#if LOAD_ROWS
      staged[next + #{STAYS ? 0 : 128 * PITCH}u + (load_row + #{n * LOAD_ROWS}u) * #{PITCH}u + load_piece] = k#{n};
//#else
      {
        let row = (lid + #{n * 256}u) / #{BUFFER_ACROSS}u;
        if (row < #{KEY_ROWS}u) { staged[next + row * #{PITCH}u + (lid + #{n * 256}u) % #{BUFFER_ACROSS}u] = k#{n}; }
      }
//#end
//#end
    }
//#end

@compute @workgroup_size(256)
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
//#for n in 0 .. K_LOADS
  var k#{n} = Piece();
//#end
//#if OWN_OFFSETS
//#for c in 0 .. CHUNKS
  let offset#{c} = offsets[table + Q_SAMPLES + (load_row % 16u + #{16 * c}u) % K_SAMPLES];
//#end
//#end
//#for z in 0 .. LANE_ROWS
  let line#{z} = first_row + row_group * #{16 * ROW_TILES}u + #{32 * z}u + lane;
  var seen#{z} = select(0u, COLUMNS, line#{z} < ROWS);
  if (CAUSAL) { seen#{z} = min(seen#{z}, u32(clamp(i32(line#{z}) + SHIFT + 1, 0, i32(COLUMNS)))); }
  var block#{z} = HIDDEN;
//#end
//#for i in 0 .. ROW_TILES
//#for j in 0 .. COLUMN_TILES
  var s#{i}_#{j} = Sums();
//#end
//#end

//#if STAYS
  // Queries become matrices, 16 rows of each row group at a time, by way of the buffers.
//#for i in 0 .. ROW_TILES
  for (var at = lid; at < #{128 / ROW_TILES * ACROSS}u; at += 256u) {
    let local = at / #{ACROSS}u;
    let line = first_row + local / 16u * #{16 * ROW_TILES}u + #{16 * i}u + local % 16u;
    let token = line / Q_SAMPLES * Q_BLOCK + offsets[table + line % Q_SAMPLES];
    staged[local * #{PITCH}u + at % #{ACROSS}u] = query_piece(q_head, token, at % #{ACROSS}u, 0u);
  }
  workgroupBarrier();
//#for step in 0 .. STEPS
  let q#{i}_#{step} = subgroupMatrixLoad<Left, row_major>(&staged, row_group * #{16 * PITCH}u + #{2 * step}u, #{PITCH}u);
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
//#use request
//#use keep
    }
//#end
    {
      let tile = min(2u, tiles - 1u);
//#use request
    }
  }
  workgroupBarrier();
  {
    let next = 0u;
//#use multiply
  }
  workgroupBarrier();
  for (var tile_now = 0u; tile_now < tiles; tile_now += range.one) {
//#for z in 0 .. LANE_ROWS
//#use give_scores
//#end
    let now = (tile_now & 1u) * #{BUFFER}u;
    {
      let next = #{BUFFER}u - now;
//#use multiply
    }
    let chunk = tile_now;
    let column = begin + first_column(chunk, neighbour);
//#for z in 0 .. LANE_ROWS
    {
//#use reduce_chunk
    }
//#end
    {
      let next = now;
//#use keep
    }
    {
      let tile = min(tile_now + 3u, tiles - 1u);
//#use request
    }
    workgroupBarrier();
  }
//#else
  let steps = tiles * #{TILE_STEPS}u;
  if (steps > 0u) {
    {
      let next = 0u;
      let step = 0u;
      let tile = 0u;
//#use request
//#use keep
    }
    {
      let step = 1u;
      let tile = 0u;
//#use request
    }
  }
  workgroupBarrier();
  for (var at = 0u; at < steps; at += range.one) {
    let now = (at & 1u) * #{BUFFER}u;
    let next = #{BUFFER}u - now;
    if (at % #{TILE_STEPS}u == 0u) {
//#for i in 0 .. ROW_TILES
//#for j in 0 .. COLUMN_TILES
      s#{i}_#{j} = Sums();
//#end
//#end
    }
//#for step in 0 .. 2
    {
//#for i in 0 .. ROW_TILES
      let rows#{i} = subgroupMatrixLoad<Left, row_major>(&staged, now + (row_group * #{16 * ROW_TILES}u + #{16 * i}u) * #{PITCH}u + #{2 * step}u, #{PITCH}u);
//#end
//#for j in 0 .. COLUMN_TILES
      let columns#{j} = subgroupMatrixLoad<Right, col_major>(&staged, now + #{128 * PITCH}u + (neighbour * #{16 * COLUMN_TILES}u + #{16 * j}u) * #{PITCH}u + #{2 * step}u, #{PITCH}u);
//#for i in 0 .. ROW_TILES
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
//#for z in 0 .. LANE_ROWS
//#use give_scores
        {
//#use reduce_chunk
        }
//#end
      }
//#end
      workgroupBarrier();
    }
//#use keep
    {
      let step = min(at + 2u, steps - 1u) % #{TILE_STEPS}u;
      let tile = min(at + 2u, steps - 1u) / #{TILE_STEPS}u;
//#use request
    }
    workgroupBarrier();
  }
//#end

  // Columns of which no row sees anything.
  let first = (begin + tiles * #{16 * COLUMN_TILES * GROUPS}u) / #{BLOCK_COLUMNS}u;
  let past = min((begin + SPANS * #{SPAN}u) / #{BLOCK_COLUMNS}u, N);
  for (var job = first * 128u + lid; job < past * 128u; job += 256u) {
    scores[(out + job / 128u) * 128u + job % 128u] = HIDDEN;
  }
}

// Scores of the next tile, whose keys are in the other buffer.
//#block multiply
//#for step in 0 .. STEPS
    {
      let columns = subgroupMatrixLoad<Right, col_major>(&staged, next + neighbour * #{16 * PITCH}u + #{2 * step}u, #{PITCH}u);
//#for i in 0 .. ROW_TILES
      s#{i}_0 = #{step == 0 ? "subgroupMatrixMultiply<f32>(q" + i + "_0, columns)" : "subgroupMatrixMultiplyAccumulate(q" + i + "_" + step + ", columns, s" + i + "_0)"};
//#end
    }
//#end
//#end

// 32 rows of 16 columns go to lanes.
//#block give_scores
//#for i in 0 .. 2
    subgroupMatrixStore<row_major>(&staged, exchange + #{96 * i}u, s#{2 * z + i}_#{STAYS ? 0 : j}, 6u);
//#end
    let given#{z}a = bitcast<vec4f>(staged[a_at]);
    let given#{z}b = bitcast<vec4f>(staged[b_at]);
    let given#{z}c = bitcast<vec4f>(staged[a_at + 2u]);
    let given#{z}d = bitcast<vec4f>(staged[b_at + 2u]);
//#end

// 16 columns of a row become one number, or, of narrower key blocks, several.
//#block reduce_chunk
        let row = row_group * #{16 * ROW_TILES}u + #{32 * z}u + lane;
        let a0 = given#{z}a;
        let b0 = given#{z}b;
        let a1 = given#{z}c;
        let b1 = given#{z}d;
//#if BLOCK_COLUMNS >= 16
        var value: f32;
//#if LOG_SUM
        if (column + 16u <= seen#{z}) {
          value = reduce4(a0 * FACTOR, b0 * FACTOR, a1 * FACTOR, b1 * FACTOR);
//#else
        if (FACTOR >= 0.0 && column + 16u <= seen#{z}) {
          value = FACTOR * reduce4(a0, b0, a1, b1);
//#end
        } else {
          value = reduce4(shown(a0, column + 4u * swap, seen#{z}), shown(b0, column + 4u - 4u * swap, seen#{z}),
            shown(a1, column + 8u + 4u * swap, seen#{z}), shown(b1, column + 12u - 4u * swap, seen#{z}));
        }
//#if CHUNKS == 1
        block#{z} = value;
//#else
        block#{z} = select(larger(block#{z}, value), value, chunk % #{CHUNKS}u == 0u);
        if (chunk % #{CHUNKS}u == #{CHUNKS - 1}u)
//#end
        {
          let block = column / #{BLOCK_COLUMNS}u;
          if (block < N) { scores[(out + block) * 128u + row] = block#{z}; }
        }
//#else
        let is_swapped = swap == 1u;
        let x0 = shown(select(a0, b0, is_swapped), column, seen#{z});
        let x1 = shown(select(b0, a0, is_swapped), column + 4u, seen#{z});
        let x2 = shown(select(a1, b1, is_swapped), column + 8u, seen#{z});
        let x3 = shown(select(b1, a1, is_swapped), column + 12u, seen#{z});
        let block = column / #{BLOCK_COLUMNS}u;
//#if BLOCK_COLUMNS == 8
        store(out, block, row, reduce2(x0, x1));
        store(out, block + 1u, row, reduce2(x2, x3));
//#else
//#for p in 0 .. 4
//#if BLOCK_COLUMNS == 4
        store(out, block + #{p}u, row, reduce(x#{p}));
//#end
//#if BLOCK_COLUMNS == 2
        store(out, block + #{2 * p}u, row, larger(x#{p}.x, x#{p}.y));
        store(out, block + #{2 * p + 1}u, row, larger(x#{p}.z, x#{p}.w));
//#end
//#if BLOCK_COLUMNS == 1
//#for c in 0 .. 4
        store(out, block + #{4 * p + c}u, row, x#{p}.#{"xyzw"[c]});
//#end
//#end
//#end
//#end
//#end
//#end

// Scores of four columns of a row; those that it does not see are hidden.
fn shown(x: vec4f, column: u32, seen: u32) -> vec4f {
  return select(vec4f(HIDDEN), x * FACTOR, vec4<u32>(column, column + 1u, column + 2u, column + 3u) < vec4<u32>(seen));
}

fn store(out: u32, block: u32, row: u32, value: f32) {
  if (block < N) { scores[(out + block) * 128u + row] = value; }
}
