// Importance of key blocks, first part: scores of sampled queries against sampled keys, each key block reduced to one
// number on the way out, so that the matrix of scores never reaches memory. Expand with the template tool.
//
// A matrix product with a reducing end. Rows are sampled queries, groups of queries (strided) or means, columns the
// like of keys. A workgroup of 256 invocations makes a tile of 128 x 128 scores, each invocation 8 x 8 of them in 16
// vec4 registers: for every channel, 4 reads of 16 bytes feed 64 multiply-adds. 16 channels at a time pass through
// workgroup memory in two buffers, one filled while the other is used, with one barrier each. UNROLL unrolls this in
// the text, so that all indices but the invocation's own are constants; software devices take seconds to compile
// that, and get a loop. Rows are gathered as they are loaded (`offsets`), so the samples are never copied. A channel's
// 128 values lie in groups of four, and the place of a group is turned by the channel (exclusive or), so that neither
// the transposing writes nor the reads meet in a bank. Registers hold four rows of one column, so the end reduces
// columns with vector instructions: first the four columns of an invocation, then, through the same workgroup memory,
// the invocations that share a key block.
//
// Measured on an H100 (32K tokens, D = 128, H = 12, a quarter of both sides): 38 TFLOP/s of 67; with the loop instead of
// the unrolled text 25; with the two halves of the rows always in the same order 37.4 (they alternate, so that an
// operand is used twice in a row); other layouts of the lanes and scalar accumulators change nothing.

override F16: bool;
override PIECES: u32;         // four-channel pieces a token
override PARTS: u32;          // tokens that are concatenated to one row or column: the stride, or 1
override Q_TOKENS: u32;       // query tokens a head
override K_TOKENS: u32;       // key tokens a head
override Q_BLOCK: u32;        // query tokens from one run of rows to the next
override K_BLOCK: u32;        // key tokens from one run of columns to the next
override Q_SAMPLES: u32;      // rows of a run: as many as there are offsets of queries
override K_SAMPLES: u32;      // columns of a run
override OFFSET_STRIDE: u32;  // offsets a head, 0 if all heads share them
override GROUP: u32;          // query heads a key head
override ROWS: u32;           // rows of a head that exist
override COLUMNS: u32;        // columns of a head that exist
override BLOCK_COLUMNS: u32;  // columns a key block, a power of two up to 128
override N: u32;              // key blocks
override ROW_TILES: u32;      // tiles of 128 rows a head
override FACTOR: f32;         // on products; with it scores are in units of log2
override LOG_SUM: bool;       // a key block's number is its log-sum-exp; else its maximum
override CAUSAL: bool;        // row i sees columns up to i + SHIFT
override SHIFT: i32;
override CHUNKS: u32 = (PIECES + 3u) / 4u;      // of 16 channels, a token
override STEPS: u32 = PARTS * CHUNKS;
override EXACT: bool = PIECES % 4u == 0u && STEPS % 2u == 0u;   // no step needs padding

@group(0) @binding(0) var<uniform> first_tile: u32;   // of the row tiles whose scores are in memory
@group(0) @binding(1) var<storage, read> queries: array<vec4u>;
@group(0) @binding(2) var<storage, read> keys: array<vec4u>;
@group(0) @binding(3) var<storage, read> offsets: array<u32>;   // per head: Q_SAMPLES of queries, K_SAMPLES of keys
@group(0) @binding(4) var<storage, read_write> scores: array<vec4f>;

const HIDDEN = -1.0e30;
// [buffer * 2 + (0 queries, 1 keys)][channel][half of the tile][quad of rows, rotated]
var<workgroup> staged: array<array<array<array<vec4f, 16>, 2>, 16>, 4>;

// Four channels out of 16 bytes, of which they are all or, in float16, the half that the piece's number tells.
fn unpack(words: vec4u, piece: u32) -> vec4f {
  if (!F16) { return bitcast<vec4f>(words); }
  let half = select(words.xy, words.zw, piece % 2u == 1u);
  return vec4f(unpack2x16float(half.x), unpack2x16float(half.y));
}

// The first token of a row or column.
fn first_token(index: u32, block: u32, samples: u32, table: u32) -> u32 {
  return index / samples * block + offsets[table + index % samples];
}

// Four channels, 4 * quad on, of step `step` of a row of queries; zeros behind its end.
fn query_piece(head: u32, token: u32, step: u32, quad: u32) -> vec4f {
  let at = min(step, STEPS - 1u);
  let piece = at % CHUNKS * 4u + quad;
  let row = head + min(token + PARTS - 1u - at / CHUNKS, Q_TOKENS - 1u);
  let index = row * PIECES + piece;
  let words = queries[select(index, index / 2u, F16)];
  return select(vec4f(), unpack(words, piece), EXACT || (step < STEPS && piece < PIECES));
}

// The like of a column of keys, whose tokens ascend where those of a row descend.
fn key_piece(head: u32, token: u32, step: u32, quad: u32) -> vec4f {
  let at = min(step, STEPS - 1u);
  let piece = at % CHUNKS * 4u + quad;
  let row = head + min(token + at / CHUNKS, K_TOKENS - 1u);
  let index = row * PIECES + piece;
  let words = keys[select(index, index / 2u, F16)];
  return select(vec4f(), unpack(words, piece), EXACT || (step < STEPS && piece < PIECES));
}

// One number for several columns, for four rows at a time.
fn combine2(a: vec4f, b: vec4f) -> vec4f {
  let largest = max(a, b);
  if (!LOG_SUM) { return largest; }
  return largest + log2(exp2(a - largest) + exp2(b - largest));
}

fn combine4(a: vec4f, b: vec4f, c: vec4f, d: vec4f) -> vec4f {
  let largest = max(max(a, b), max(c, d));
  if (!LOG_SUM) { return largest; }
  return largest + log2((exp2(a - largest) + exp2(b - largest)) + (exp2(c - largest) + exp2(d - largest)));
}

// Writes four rows' numbers of a key block.
fn store(out: u32, block: u32, quad: u32, value: vec4f) {
  if (block < N) { scores[(out + block) * 32u + quad] = value; }
}

// Scores of four rows and one column.
fn score(sum: vec4f, column: u32, seen: vec4u) -> vec4f {
  return select(vec4f(HIDDEN), sum * FACTOR, vec4u(column) < seen);
}

// How many columns four rows see, from `row` on.
fn seen_by(row: u32) -> vec4u {
  let rows = vec4u(row) + vec4u(0u, 1u, 2u, 3u);
  var seen = vec4u(COLUMNS);
  if (CAUSAL) { seen = vec4u(clamp(vec4i(rows) + vec4i(SHIFT + 1), vec4i(), vec4i(i32(COLUMNS)))); }
  return select(vec4u(), seen, rows < vec4u(ROWS));
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let tile = group.y + first_tile;
  let head = tile / ROW_TILES;
  let first_row = tile % ROW_TILES * 128u;
  let first_column = group.x * 128u;
  let tx = lid % 16u;
  let ty = lid / 16u;

  // what this invocation loads: piece `quad` of 16 channels, of two rows and two columns
  let quad = lid % 4u;
  let line = lid / 4u;
  let table = head * OFFSET_STRIDE;
  let q_head = head * Q_TOKENS;
  let k_head = head / GROUP * K_TOKENS;
//#for i in 0 .. 2
  let q_token#{i} = first_token(min(first_row + line + #{64 * i}u, ROWS - 1u), Q_BLOCK, Q_SAMPLES, table);
  let column#{i} = min(first_column + line + #{64 * i}u, COLUMNS - 1u);
  let k_token#{i} = first_token(column#{i}, K_BLOCK, K_SAMPLES, table + Q_SAMPLES);
//#end
  let place = (line / 4u) ^ (quad * 2u);
  let lane = line % 4u;
//#for t in 0 .. 4
  let ty#{t} = ty ^ #{2 * t}u;
  let tx#{t} = tx ^ #{2 * t}u;
//#end

  let nothing = CAUSAL && i32(first_column) > i32(first_row) + 127 + SHIFT;
  let steps = select(STEPS, 0u, nothing);
//#for h in 0 .. 2
//#for c in 0 .. 8
  var s#{c}_#{h} = vec4f();
//#end
//#end
//#for i in 0 .. 2
  var q#{i} = query_piece(q_head, q_token#{i}, 0u, quad);
  var k#{i} = key_piece(k_head, k_token#{i}, 0u, quad);
//#end
//#for i in 0 .. 2
//#for c in 0 .. 4
  staged[0][quad * 4u + #{c}u][#{i}][place][lane] = q#{i}.#{"xyzw"[c]};
  staged[1][quad * 4u + #{c}u][#{i}][place][lane] = k#{i}.#{"xyzw"[c]};
//#end
//#end
  workgroupBarrier();

  for (var step = 0u; step < steps; step += #{UNROLL ? 2 : 1}u) {
//#if !UNROLL
    let buffer = step % 2u * 2u;
//#end
//#for b in 0 .. UNROLL ? 2 : 1
//#for i in 0 .. 2
    q#{i} = query_piece(q_head, q_token#{i}, step + #{b + 1}u, quad);
    k#{i} = key_piece(k_head, k_token#{i}, step + #{b + 1}u, quad);
//#end
    #{UNROLL ? "" : "for (var channel = 0u; channel < 16u; channel++)"} {
//#for c in 0 .. UNROLL ? 16 : 1
    {
      let rows = &staged[#{UNROLL ? 2 * b : "buffer"}][#{UNROLL ? c : "channel"}];
      let columns = &staged[#{UNROLL ? 2 * b + 1 : "buffer + 1u"}][#{UNROLL ? c : "channel"}];
      let ty_turned = #{UNROLL ? "ty" + (c >> 2) : "ty ^ (channel / 4u * 2u)"};
      let tx_turned = #{UNROLL ? "tx" + (c >> 2) : "tx ^ (channel / 4u * 2u)"};
      let a0 = (*rows)[0][ty_turned]; let a1 = (*rows)[1][ty_turned];
      let b0 = (*columns)[0][tx_turned]; let b1 = (*columns)[1][tx_turned];
//#for j in 0 .. 8
      s#{j}_#{j % 2} = fma(a#{j % 2}, vec4f(b#{j >> 2}.#{"xyzw"[j % 4]}), s#{j}_#{j % 2});
      s#{j}_#{1 - j % 2} = fma(a#{1 - j % 2}, vec4f(b#{j >> 2}.#{"xyzw"[j % 4]}), s#{j}_#{1 - j % 2});
//#end
    }
//#end
    }
//#for i in 0 .. 2
//#for c in 0 .. 4
    staged[#{UNROLL ? 2 - 2 * b : "2u - buffer"}][quad * 4u + #{c}u][#{i}][place][lane] = q#{i}.#{"xyzw"[c]};
    staged[#{UNROLL ? 3 - 2 * b : "3u - buffer"}][quad * 4u + #{c}u][#{i}][place][lane] = k#{i}.#{"xyzw"[c]};
//#end
//#end
    workgroupBarrier();
//#end
  }

  // the end: s#_r holds rows 64 r + 4 ty .. + 3 of one column
  let out = group.y * N;
  let block = group.x * (128u / BLOCK_COLUMNS);
//#for r in 0 .. 2
  {
    let seen = seen_by(first_row + #{64 * r}u + ty * 4u);
//#for h in 0 .. 2
    {
      let column = first_column + #{64 * h}u + tx * 4u;
//#for c in 0 .. 4
      let c#{c} = score(s#{4 * h + c}_#{r}, column + #{c}u, seen);
//#end
      if (BLOCK_COLUMNS >= 4u) {
        staged[#{r}][tx][#{h}][ty] = combine4(c0, c1, c2, c3);
      } else if (BLOCK_COLUMNS == 2u) {
        store(out, column / 2u, #{16 * r}u + ty, combine2(c0, c1));
        store(out, column / 2u + 1u, #{16 * r}u + ty, combine2(c2, c3));
      } else {
//#for c in 0 .. 4
        store(out, column + #{c}u, #{16 * r}u + ty, c#{c});
//#end
      }
    }
//#end
  }
//#end
  if (BLOCK_COLUMNS < 4u) { return; }
  workgroupBarrier();
  let quads = BLOCK_COLUMNS / 4u;
  for (var job = lid; job < 32u * 128u / BLOCK_COLUMNS; job += 256u) {
    let row = job % 32u;
    let first = job / 32u * quads;
    var value = staged[row / 16u][first % 16u][first / 16u][row % 16u];
    for (var i = 1u; i < quads; i++) {
      let next = first + i;
      value = combine2(value, staged[row / 16u][next % 16u][next / 16u][row % 16u]);
    }
    store(out, block + job / 32u, row, value);
  }
}
