// The memory of the score kernel with matrix units: bindings, overrides, rows and columns, and the reduction of
// several columns. kernel.wgsl says how they fit together.

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

// Scores of four columns of a row; those that it does not see are hidden.
fn shown(x: vec4f, column: u32, seen: u32) -> vec4f {
  return select(vec4f(HIDDEN), x * FACTOR, vec4<u32>(column, column + 1u, column + 2u, column + 3u) < vec4<u32>(seen));
}

fn store(out: u32, block: u32, row: u32, value: f32) {
  if (block < N) { scores[(out + block) * 128u + row] = value; }
}
