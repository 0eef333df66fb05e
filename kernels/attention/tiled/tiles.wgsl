// The memory of the tiled attention kernel: bindings, workgroup memory, the groups of a tile, and the loads and
// stores of a chunk. kernel.wgsl says how they fit together.

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read> q: array<Piece>;
@group(0) @binding(2) var<storage, #{KEYS_ACCESS}> k: array<Piece>;
@group(0) @binding(3) var<storage, #{KEYS_ACCESS}> v: array<Piece>;
//#if SHARED < 2
@group(0) @binding(4) var<storage, read_write> out: array<Piece>;
@group(0) @binding(5) var<storage, read_write> lse: array<f32>;
//#end
//#if SHARED > 0
@group(0) @binding(#{LISTS_AT - 1}) var<storage, read_write> partials: array<vec4f>; // of workgroups that share keys, for merge.wgsl
//#end
//#if !DENSE
@group(0) @binding(#{LISTS_AT}) var<storage, read> list: array<u32>;
@group(0) @binding(#{LISTS_AT + 1}) var<storage, read> offsets: array<u32>; // of the lists; then their rows, longest first
//#end

// Chunks of K and of V; chunks of Q, and the weights.
//#if NEST
var<workgroup> kv: array<array<array<array<array<Piece, 16>, 2>, 4>, 4>, 2>;
var<workgroup> qp: array<array<array<array<array<Piece, #{TY}>, 2>, 4>, 4>, #{PBUF}>;
//#else
var<workgroup> kv: array<array<array<array<Piece, 16>, 2>, 16>, 2>;
var<workgroup> qp: array<array<array<array<Piece, #{TY}>, 2>, 16>, #{PBUF}>;
//#end

const MASKED = -1e30;
const EMPTY = -1e29;
//#if F16
// Weights are 2^-HALVINGS at most, and 0 in a row that sees nothing, so that 64 of them times any finite half add up to
// a finite half.
const HALVINGS = 6.0;
//#end

// An entry of the list. Without a list it is the group of that number, and beyond the end the last one, to fill up the tile.
//#if DENSE
fn group_at(index: u32, first: u32) -> u32 {
  let last = (call.seq_k - 1u) / 8u;
  let group = min(first + index, last);
  let tokens = min(call.seq_k - group * 8u, 8u);
  return entry_of(group, 0u, (1u << tokens) - 1u) | select(0u, ENTRY_FILLS, first + index > last);
}
//#else
fn group_at(index: u32, first: u32) -> u32 { return list[first + index]; }
//#end

// The row of a group's first token in K and V.
fn row_of(entry: u32, kv_head: u32) -> u32 {
  let level = entry_log_level(entry);
  return call.levels[level].first_row + kv_head * call.levels[level].tokens + entry_index(entry) * #{GROUP}u;
}

//#if !WHOLE
// The row of a token of a group; where it does not count, of one that does.
fn counted_row(entry: u32, kv_head: u32, token: u32) -> u32 {
  return row_of(entry, kv_head) + select(entry_first_counted(entry), token, entry_counts(entry, token));
}
//#end

// log2 of how many tokens a token of a group stands for, or the value of a masked one.
fn bias_of(entry: u32, token: u32) -> f32 {
  let level = entry_log_level(entry);
//#if PARTIAL
  let first = (entry_index(entry) * #{GROUP}u + token) << level;
  let count = min(1u << level, call.seq_k - min(first, call.seq_k));
  let bias = select(log2(f32(count)), f32(level), count == (1u << level));
//#else
  let bias = f32(level);
//#end
  return select(MASKED, bias, entry_counts(entry, token) & !entry_fills(entry));
}

//#if F16
fn pack_pairs(first: vec4f, second: vec4f) -> Piece {
  return vec4<u32>(pack2x16float(vec2f(first.x, second.x)), pack2x16float(vec2f(first.y, second.y)),
    pack2x16float(vec2f(first.z, second.z)), pack2x16float(vec2f(first.w, second.w)));
}
// Words that pair two keys, of the first and of the last four of eight channels.
fn low_pairs(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
  return vec4<u32>((a.x & 0xffffu) | (b.x << 16u), (a.x >> 16u) | (b.x & 0xffff0000u),
    (a.y & 0xffffu) | (b.y << 16u), (a.y >> 16u) | (b.y & 0xffff0000u));
}
fn high_pairs(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return low_pairs(a.zwzw, b.zwzw); }
//#end

// Four words of a query, of a key and of a value; beyond the last channel, zeros. A chunk is 4 pieces.
fn load_q(at: u32, chunk: u32, piece: u32) -> Piece {
//#if D_PIECES % 4 != 0
  if (chunk * 4u + piece >= #{D_PIECES}u) { return Piece(); }
//#end
  return shrunk(q[at + chunk * 4u]);
}

fn load_k(at: u32, chunk: u32, piece: u32) -> Piece {
//#if D_PIECES % 4 != 0
  if (chunk * 4u + piece >= #{D_PIECES}u) { return Piece(); }
//#end
  return k[at + chunk * 4u];
}

fn load_v(at: u32, column_piece: u32) -> Piece {
//#if V_PIECES % COLUMN_PIECES != 0
  if (column_piece >= #{V_PIECES}u) { return Piece(); }
//#end
  return v[at];
}

// Keys of the next chunk, and the queries' channels with them, are loaded before the current chunk is processed, and
// stored after it. What is stored is transposed: the words of four tokens lie side by side.
//#block request_keys
//#for h in 0 .. 2
            q#{h} = load_q(q_at#{h}, next_chunk, piece);
//#for g in 0 .. K_GROUPS
            f#{h * K_GROUPS + g} = load_k(#{WHOLE ? "k_at" + g + "_" + h * (PER_LANE - 1) + " + " + 4 * h * (2 - PER_LANE) * D_PIECES + "u" : "k_at" + g + "_" + h}, next_chunk, piece);
//#end
//#end
//#end
//#block store_keys
//#for w in 0 .. 4
//#for h in 0 .. 2
            qp[q_next][#{NEST ? "piece][" + w + "u" : "piece * 4u + " + w + "u"}][#{h}][q_lane][token] = q#{h}.#{"xyzw"[w]};
//#for g in 0 .. K_GROUPS
            kv[next][#{NEST ? "piece][" + w + "u" : "piece * 4u + " + w + "u"}][#{h}][k_lane#{g}][token] = f#{h * K_GROUPS + g}.#{"xyzw"[w]};
//#end
//#end
//#end
//#end

//#block request_values
//#if WHOLE
//#for n in 0 .. V_GROUPS
//#if PER_LANE == 1
            let v_start#{n} = v_at#{n}_0;
//#else
            let v_start#{n} = select(v_at#{n}_0, v_at#{n}_1, next_unit >= #{UNITS / 2}u);
//#end
//#end
//#else
            let second = #{PER_LANE == 1 ? "0u" : "select(0u, 1u, next_unit >= " + UNITS / 2 + "u)"};
//#for n in 0 .. LOADS
            f#{n} = load_v(counted_row(#{PER_LANE == 1 ? "v_entry" + (F16 ? n >> 1 : n) + "_0" : "select(v_entry" + (F16 ? n >> 1 : n) + "_0, v_entry" + (F16 ? n >> 1 : n) + "_1, second == 1u)"}, kv_head,
              #{F16 ? "next_unit * 2u + " + (n & 1) + "u + v_half * 2u" : "next_unit + v_half"} - second * #{GROUP}u) * #{V_PIECES}u + v_piece, v_piece);
//#end
//#end
//#if WHOLE
//#for n in 0 .. LOADS
            f#{n} = load_v(v_start#{F16 ? n >> 1 : n} + #{F16 ? "(next_unit * 2u + " + (n & 1) + "u)" : "next_unit"} * #{V_PIECES}u, v_piece);
//#end
//#end
//#end
//#block store_values
//#for n in 0 .. V_GROUPS
//#if F16
            kv[next][#{NEST ? "v_group" + n + " >> 2u][v_group" + n + " & 3u" : "v_group" + n}][#{SPLIT ? "v_half" : 0}][v_column] = low_pairs(f#{2 * n}, f#{2 * n + 1});
            kv[next][#{NEST ? "v_group" + n + " >> 2u][v_group" + n + " & 3u" : "v_group" + n}][#{SPLIT ? "v_half" : 1}][v_column#{SPLIT ? " + 8u" : ""}] = high_pairs(f#{2 * n}, f#{2 * n + 1});
//#else
            kv[next][#{NEST ? "v_group" + n + " >> 2u][v_group" + n + " & 3u" : "v_group" + n}][#{SPLIT ? "v_half" : "v_column >> 4u"}][#{SPLIT ? "v_column" : "v_column & 15u"}] = f#{n};
//#end
//#end
//#end
