// Importance of key blocks, first part: scores of sampled queries against sampled keys, each key block reduced to one
// number on the way out, so that the matrix of scores never reaches memory. A template (template.ts).
//
// A matrix product that is reduced at the end. Rows are sampled queries, groups of queries (strided) or means; columns the same
// of keys. A workgroup of 256 invocations owns 128 rows and walks TILES tiles of 128 columns; each invocation makes 8 x 8
// scores of a tile. Tokens are read where they lie, 16 bytes (a piece) at a time, so samples are never copied, and pass
// through workgroup memory in chunks of 4 pieces, transposed: a step reads one word of 8 rows and of 8 columns, 4 reads of
// 16 bytes for 64 multiply-adds. A step's 128 words lie in groups of four, and the place of a group is turned by the piece
// (exclusive or), so that neither the transposing writes nor the reads meet in a bank.
//
// The next chunk of keys is loaded before the barrier at the beginning of a chunk, and stored after its products; the
// last chunk of a tile loads the first of the next tile, so that loads are in flight at the end of a tile, too. Queries
// are the same for all tiles: they stay in workgroup memory if they fit (STAYS), else they stream with the keys.
//
// float32 accumulates vec4s of four rows. float16 pairs channels, so that a multiply-add works on two halves: sums of at
// most 64 steps stay in half precision and are then added up in float32 (FLUSH: if there are more), as in attention;
// queries are halved PRESHIFT times before, which is exact, so that large scores do not overflow.
//
// blocks.wgsl reduces the scores of a tile.

const PIECES = #{PIECES}u;    // 16-byte pieces per token
const CHUNKS = #{CHUNKS}u;    // of 4 pieces, a token
const PARTS = #{PARTS}u;     // tokens that are concatenated to one row or column: the stride, or 1
const STEPS = #{STEPS}u;     // chunks per row

override Q_TOKENS: u32;       // query tokens per head
override K_TOKENS: u32;       // key tokens per head
override Q_BLOCK: u32;        // query tokens from one run of rows to the next
override K_BLOCK: u32;        // key tokens from one run of columns to the next
override Q_SAMPLES: u32;      // rows of a run: as many as there are offsets of queries; divides 128
override K_SAMPLES: u32;      // columns of a run, the like
override OFFSET_STRIDE: u32;  // offsets per head, 0 if all heads share them
override GROUP: u32;          // query heads a key head
override ROWS: u32;           // rows of a head that exist
override COLUMNS: u32;        // columns of a head that exist
override BLOCK_COLUMNS: u32;  // columns per key block, a power of two up to 128
override N: u32;              // key blocks
override ROW_TILES: u32;      // tiles of 128 rows per head
override TILES: u32;          // tiles of 128 columns per workgroup
override FACTOR: f32;         // on products; with it scores are in units of log2
override LOG_SUM: bool;       // a key block's number is its log-sum-exp; else its maximum
override CAUSAL: bool;        // row i sees columns up to i + SHIFT
override SHIFT: i32;
override COLUMN_TILES: u32 = (COLUMNS + 127u) / 128u;

@group(0) @binding(0) var<uniform> first_tile: u32;   // of the row tiles whose scores are in memory
@group(0) @binding(1) var<storage, read> queries: array<Piece>;
@group(0) @binding(2) var<storage, read> keys: array<Piece>;
@group(0) @binding(3) var<storage, read> offsets: array<u32>;   // per head: Q_SAMPLES of queries, K_SAMPLES of keys
@group(0) @binding(4) var<storage, read_write> scores: array<vec4f>;

const HIDDEN = -1.0e30;
// Chunks of the tile's columns and rows: [buffer][word][half of the tile][group of four, turned]. The first also serves the
// end of a tile.
var<workgroup> k_staged: array<array<array<array<Piece, 16>, 2>, 16>, 2>;
var<workgroup> q_staged: array<array<array<array<Piece, 16>, 2>, 16>, #{STAYS ? STEPS : 2}>;

// A piece of the row whose first token is `token`, for a step; beyond the last channel, zeros.
fn query_piece(head: u32, token: u32, step: u32, quad: u32) -> Piece {
//#use place_of_step
  let row = head + min(token + PARTS - 1u - part, Q_TOKENS - 1u);
  return shrunk(queries[row * PIECES + piece]);
}

// The like of a column, whose tokens ascend where those of a row descend.
fn key_piece(head: u32, token: u32, step: u32, quad: u32) -> Piece {
//#use place_of_step
  let row = head + min(token + part, K_TOKENS - 1u);
  return keys[row * PIECES + piece];
}

// Which token of a row a step belongs to, and which of its pieces.
//#block place_of_step
//#if PARTS == 1
  let part = 0u;
  let piece = step * 4u + quad;
//#else
  let part = step / CHUNKS;
  let piece = step % CHUNKS * 4u + quad;
//#end
//#if PIECES % 4 != 0
  if (piece >= PIECES) { return Piece(); }
//#end
//#end

//#block request
//#for i in 0 .. 2
//#if !STAYS
          q#{i} = query_piece(q_head, q_token#{i}, next_step, quad);
//#end
          k#{i} = key_piece(k_head, k_token#{i} + next_tile * tile_tokens, next_step, quad);
//#end
//#end
//#block keep
//#for i in 0 .. 2
//#for w in 0 .. 4
//#if !STAYS
          q_staged[next][quad * 4u + #{w}u][#{i}][place][lane] = q#{i}.#{"xyzw"[w]};
//#end
          k_staged[next][quad * 4u + #{w}u][#{i}][place][lane] = k#{i}.#{"xyzw"[w]};
//#end
//#end
//#end

//#block add_halves
//#for h in 0 .. 2
    sum#{c}_#{h} += vec4f(whole(s#{4 * h}_#{c}), whole(s#{4 * h + 1}_#{c}), whole(s#{4 * h + 2}_#{c}), whole(s#{4 * h + 3}_#{c}));
//#end
//#end

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let row_tile = group.y + first_tile;
  let head = row_tile / ROW_TILES;
  let first_row = row_tile % ROW_TILES * 128u;
  let begin = group.x * TILES;
  let end = min(begin + TILES, COLUMN_TILES);
  var seen_end = end;   // of the tiles of which some row sees something
  if (CAUSAL) { seen_end = clamp(u32(max(i32(first_row) + 255 + SHIFT, 0)) / 128u, begin, end); }
  let tx = (lid >> 1u) & 15u;
  let ty = ((lid >> 5u) << 1u) | (lid & 1u);

  // what this invocation loads: piece `quad` of a chunk, of two rows and two columns
  let quad = lid % 4u;
  let line = lid / 4u;
  let table = head * OFFSET_STRIDE;
  let q_head = head * Q_TOKENS;
  let k_head = head / GROUP * K_TOKENS;
  let tile_tokens = 128u / K_SAMPLES * K_BLOCK;
//#for i in 0 .. 2
  let q_line#{i} = first_row + line + #{64 * i}u;
  let q_token#{i} = q_line#{i} / Q_SAMPLES * Q_BLOCK + offsets[table + q_line#{i} % Q_SAMPLES];
  let k_line#{i} = line + #{64 * i}u;
  let k_token#{i} = k_line#{i} / K_SAMPLES * K_BLOCK + offsets[table + Q_SAMPLES + k_line#{i} % K_SAMPLES];
  var q#{i} = Piece();
  var k#{i} = Piece();
//#end
  let place = (line / 4u) ^ (quad * 2u);
  let lane = line % 4u;
  let out = group.y * N;

//#if STAYS
//#for n in 0 .. STEPS
//#for i in 0 .. 2
  let stays#{n}_#{i} = query_piece(q_head, q_token#{i}, #{n}u, quad);
//#end
//#end
//#for n in 0 .. STEPS
//#for i in 0 .. 2
//#for w in 0 .. 4
  q_staged[#{n}][quad * 4u + #{w}u][#{i}][place][lane] = stays#{n}_#{i}.#{"xyzw"[w]};
//#end
//#end
//#end
//#end
  {
    let next_step = 0u;
    let next_tile = begin;
    let next = 0u;
//#use request
//#use keep
  }

  var b = 0u;   // the buffer that is read
  for (var tile = begin; tile < seen_end; tile++) {
//#for c in 0 .. 8
//#if F16
//#for i in 0 .. 8
    var s#{i}_#{c} = Word();
//#end
//#end
//#for h in 0 .. 2
    var sum#{c}_#{h} = vec4f();   // rows 64 h + 4 ty … + 3 of one column
//#end
//#end
    for (var turn = 0u; turn < STEPS; turn += #{AT_ONCE}u) {
//#for half in 0 .. AT_ONCE
      {
        let step = turn + #{half}u;
        let now = #{AT_ONCE == 2 ? half + "u" : "b"};
        let next = now ^ 1u;
        let q_now = #{STAYS ? "step" : "now"};
        let last = #{half < AT_ONCE - 1 ? "false" : "step + 1u == STEPS"};
        let next_step = select(step + 1u, 0u, last);
        let next_tile = select(tile, tile + 1u, last);
        if (next_tile < seen_end) {
//#use request
        }
        workgroupBarrier();
//#for p in 0 .. UNROLL ? 16 : 1
        #{UNROLL ? "" : "for (var p = 0u; p < 16u; p++)"} {
          #{UNROLL ? "const p = " + p + "u;" : ""}
          let row_lane = ty ^ ((p >> 2u) << 1u);
          let column_lane = tx ^ ((p >> 2u) << 1u);
//#for h in 0 .. 2
          let r#{h} = q_staged[q_now][p][#{h}][row_lane];
          let c#{h} = k_staged[now][p][#{h}][column_lane];
//#end
//#if F16
//#for n in 0 .. 8
          let query#{n} = pair(r#{n >> 2}.#{"xyzw"[n & 3]});
          let key#{n} = pair(c#{n >> 2}.#{"xyzw"[n & 3]});
//#end
//#for j in 0 .. 8
//#for n in 0 .. 8
          s#{j % 2 ? n ^ 6 : n}_#{j} = fma(query#{j % 2 ? n ^ 6 : n}, key#{j}, s#{j % 2 ? n ^ 6 : n}_#{j});
//#end
//#end
//#else
//#for j in 0 .. 8
//#for n in 0 .. 2
          sum#{j}_#{(j + n) % 2} = fma(r#{(j + n) % 2}, vec4f(c#{j >> 2}.#{"xyzw"[j & 3]}), sum#{j}_#{(j + n) % 2});
//#end
//#end
//#end
        }
//#end
        if (!last) {
//#use keep
        }
      }
//#end
//#if AT_ONCE == 1
      b ^= 1u;
//#end
//#if F16 && FLUSH
      if ((turn & 3u) == #{4 - AT_ONCE}u) {
//#for c in 0 .. 8
//#use add_halves
//#for i in 0 .. 8
        s#{i}_#{c} = Word();
//#end
//#end
      }
//#end
    }
//#if F16
//#for c in 0 .. 8
//#use add_halves
//#end
//#end

//#use end_of_tile
    {
      let next = #{AT_ONCE == 2 ? "0u" : "b"};
//#use keep
    }
  }
  // tiles of which no row sees anything
  let blocks = 128u / BLOCK_COLUMNS;
  for (var job = lid + seen_end * blocks * 32u; job < end * blocks * 32u; job += 256u) {
    store(out, job / 32u, job % 32u, vec4f(HIDDEN));
  }
}
