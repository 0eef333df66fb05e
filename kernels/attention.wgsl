// Attention over the pyramid (SPEC section 3): softmax of scale * q . k + ln(count) over the pooled tokens that a query
// block sees, in one pass over them. A template (template.ts): lines that begin with //# unroll and choose in the text.
//
// Work. One workgroup owns BM query rows of one head and a part of the value columns, and walks tiles of 128 keys. A tile
// is 16 groups of 8 pooled tokens, and the groups come from anywhere: pooled blocks of every level share tiles, so that a
// density of 5 % costs 5 %. What a tile is made of is read from a list, one u32 a group (lists.ts); with level 1
// everywhere (DENSE) the list is the order of the keys and is not stored.
//
// Registers. Threads form 16 columns (tx) by BM / 8 rows (ty). Each computes the scores of 8 query rows x 8 keys, the
// tokens of group tx, and then 8 rows x 8 columns of the output (SPLIT: with 64 columns or fewer, the two halves of tx
// take different keys, and are added at the end). A row lives in 16 lanes of one subgroup: its maximum takes 4 shuffles
// (SUBGROUPS), or a round through workgroup memory.
//
// Memory. K, V and Q are read where they lie, token after token; nothing is transposed beforehand, so dense attention needs
// no pass in front and level 1 no copy. Four words of a token are one 16-byte piece. Workgroup memory holds pieces as
// [piece][token of group][group], the group xored with the piece, so that reads and writes of a warp fall on all banks.
// A chunk of the second product takes the j-th token of all 16 groups. Arrays are nested, with constants for all
// indices but the thread's own: the compiler's clamps are then computed once.
//
// Softmax is in base 2, online: `scale` carries log2(e), ln(count) becomes log2(count), a masked key gets -1e30, and a row
// whose maximum stays there saw nothing.
//
// Measured on an H100 (B=1, L=16384, bm=bn=128; D=128 H=12 / D=64 H=16): dense f32 39.2 / 36.3 TFLOP/s, dense f16 49 / 43;
// at density .50 / .15 / .05, D=128: f32 37.5 / 35.7 / 32.8. A column of the output after the other, not a row, in the
// second product gains 1 % at D=128. Where there are no subgroups the inner loops stay loops: software Vulkan then
// compiles in half the time and runs as fast.
//
// float16 (F16): a word is a pair. Scores pair channels, the second product pairs neighbouring keys, so that every
// multiply-add works on two halves. Sums of at most 64 steps stay in half precision, all else is float32; Q is halved
// PRESHIFT times before, which is exact, so that large logits do not overflow.

//#if F16
enable f16;
alias Piece = vec4<u32>;
alias Word = vec2<f16>;
//#else
alias Piece = vec4f;
alias Word = f32;
//#end

struct Section { first_row: u32, tokens: u32, unused0: u32, unused1: u32 }
struct Call {
  scale: f32,              // log2(e) * scale, times 2^PRESHIFT
  minus_infinity: f32,
  seq_q: u32,
  seq_k: u32,              // where keys end: with replicated tails, the end of the last block
  position: i32,           // of query 0 among the keys
  heads: u32,              // query heads a batch entry
  kv_heads: u32,           // key heads a batch entry
  unused: u32,
  sections: array<Section, 8>, // where each level lies in K and V, by log2(level)
}

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read> q: array<Piece>;
@group(0) @binding(2) var<storage, read> k: array<Piece>;
@group(0) @binding(3) var<storage, read> v: array<Piece>;
@group(0) @binding(4) var<storage, read_write> out: array<Piece>;
@group(0) @binding(5) var<storage, read_write> lse: array<f32>;
//#if !DENSE
@group(0) @binding(6) var<storage, read> list: array<u32>;
@group(0) @binding(7) var<storage, read> offsets: array<u32>;
//#end

// Chunks of K and of V; chunks of Q, and the weights.
var<workgroup> kv: array<array<array<array<Piece, 16>, 2>, 16>, 2>;
var<workgroup> qp: array<array<array<array<Piece, #{TY}>, 2>, 16>, #{PBUF}>;

const MASKED = -1e30;
const EMPTY = -1e29;
//#if F16
// Weights are 2^-HALVINGS at most, and 0 in a row that sees nothing, so that 64 of them times any finite half add up to
// a finite half.
const HALVINGS = 6.0;
//#end

// A group of the list: index | log2(level) << 20 | mask of its tokens << 24.
//#if DENSE
fn group_at(index: u32, first: u32) -> u32 {
  let tokens = clamp(i32(call.seq_k) - i32(index * 8u), 0, 8);
  return select(index, 0u, tokens == 0) | (((1u << u32(tokens)) - 1u) << 24u);
}
//#else
fn group_at(index: u32, first: u32) -> u32 { return list[first + index]; }
//#end

// The row of a group's first token in K and V.
fn row_of(group: u32, kv_head: u32) -> u32 {
  let section = (group >> 20u) & 7u;
  return call.sections[section].first_row + kv_head * call.sections[section].tokens + (group & 0xfffffu) * 8u;
}

// log2 of how many tokens a token of a group stands for, or the value of a masked one.
fn bias_of(group: u32, token: u32) -> f32 {
  let level = (group >> 20u) & 7u;
//#if PARTIAL
  let first = ((group & 0xfffffu) * 8u + token) << level;
  let count = min(1u << level, call.seq_k - min(first, call.seq_k));
  let bias = select(log2(f32(count)), f32(level), count == (1u << level));
//#else
  let bias = f32(level);
//#end
  return select(MASKED, bias, ((group >> (24u + token)) & 1u) == 1u);
}

//#if F16
fn pair(word: u32) -> Word { return vec2<f16>(unpack2x16float(word)); }
fn shrunk(word: u32) -> u32 { return pack2x16float(vec2f(pair(word) * #{2 ** -PRESHIFT}h)); }
fn whole(sum: Word) -> f32 { return f32(sum.x) + f32(sum.y); }
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
//#else
fn pair(word: f32) -> Word { return word; }
fn whole(sum: Word) -> f32 { return sum; }
//#end

// Four words of a query, of a key and of a value; beyond the last channel, zeros. A chunk is 4 pieces.
fn load_q(at: u32, chunk: u32, piece: u32) -> Piece {
//#if D_PIECES % 4 != 0
  if (chunk * 4u + piece >= #{D_PIECES}u) { return Piece(); }
//#end
//#if F16
  let words = q[at + chunk * 4u];
  return vec4<u32>(shrunk(words.x), shrunk(words.y), shrunk(words.z), shrunk(words.w));
//#else
  return q[at + chunk * 4u];
//#end
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

//#if !SUBGROUPS
// Four numbers as a piece of workgroup memory, and back.
//#if F16
fn to_piece(x: vec4f) -> Piece { return bitcast<vec4<u32>>(x); }
fn from_piece(x: Piece) -> vec4f { return bitcast<vec4f>(x); }
//#else
fn to_piece(x: vec4f) -> Piece { return x; }
fn from_piece(x: Piece) -> vec4f { return x; }
//#end
//#end

@compute @workgroup_size(#{THREADS})
fn main(@builtin(local_invocation_index) lid: u32, @builtin(workgroup_id) wg: vec3u) {
  let ty = ((lid >> 5u) << 1u) | (lid & 1u);
  let tx = (lid >> 1u) & 15u;
  let ty_write = (ty ^ ((tx & 3u) << 1u)) & #{TY - 1}u;
//#if SPLIT
  let part_of_keys = tx >> 3u;
  let column = tx & 7u;
//#else
  let column = tx;
//#end
  let head = wg.y;
  let kv_head = (head / call.heads) * call.kv_heads + (head % call.heads) / (call.heads / call.kv_heads);
  let first_row = wg.x * #{BM}u;
  let first_piece = wg.z * #{COLUMN_PIECES}u;

  // The tiles of this query block.
//#if DENSE
  let first_group = 0u;
//#if CAUSAL
  let past = clamp(i32(min(first_row + #{BM}u, call.seq_q)) + call.position, 0, i32(call.seq_k));
  let tiles = (u32(past) + 127u) >> 7u;
//#else
  let tiles = (call.seq_k + 127u) >> 7u;
//#end
//#else
  let list_row = head * ((call.seq_q + #{BM - 1}u) / #{BM}u) + wg.x;
  let first_group = offsets[list_row];
  let tiles = (offsets[list_row + 1u] - first_group) >> 4u;
//#end

  // What this thread loads of each chunk: a piece of two query rows and of #{LOADS} keys, and #{LOADS} pieces of values.
  let piece = lid & 3u;
  let key = lid >> 6u;
//#for n in 0 .. 2
  let q_slot#{n} = (lid + #{n * THREADS}u) >> 2u;
  let q_row#{n} = min(first_row + (q_slot#{n} & #{TY - 1}u) * 8u + q_slot#{n} / #{TY}u, call.seq_q - 1u);
  let q_at#{n} = (head * call.seq_q + q_row#{n}) * #{D_PIECES}u + piece;
  let q_line#{n} = piece * 4u + q_slot#{n} / #{2 * TY}u;
  let q_odd#{n} = (q_slot#{n} / #{TY}u) & 1u;
  let q_lane#{n} = ((q_slot#{n} & #{TY - 1}u) ^ (2u * piece)) & #{TY - 1}u;
  var q#{n} = load_q(q_at#{n}, 0u, piece);
  qp[0][q_line#{n}][q_odd#{n}][q_lane#{n}] = q#{n};
//#end
//#for n in 0 .. K_GROUPS
  let k_group#{n} = ((lid + #{n * THREADS}u) >> 2u) & 15u;
  let k_lane#{n} = k_group#{n} ^ (2u * piece);
  var k_at#{n} = (row_of(group_at(k_group#{n}, first_group), kv_head) + key) * #{D_PIECES}u + piece;
//#end
//#for n in 0 .. LOADS
  let k_line#{n} = piece * 4u + ((key + #{KEY_STEP * n >> 6}u) >> 1u);
  let k_odd#{n} = (key + #{KEY_STEP * n >> 6}u) & 1u;
  var f#{n} = load_k(k_at#{n % K_GROUPS} + #{(KEY_STEP * n >> 6) * D_PIECES}u, 0u, piece);
  kv[0][k_line#{n}][k_odd#{n}][k_lane#{n % K_GROUPS}] = f#{n};
//#end
  let v_column = lid & #{V_ACROSS - 1}u;
  let v_piece = first_piece + v_column;
  let v_half = (lid / #{V_ACROSS}u) & #{SPLIT ? 1 : 0}u;
//#for n in 0 .. V_GROUPS
  let v_group#{n} = (lid + #{n * THREADS}u) / #{V_ACROSS * (SPLIT ? 2 : 1)}u;
//#end

//#for i in 0 .. 8
//#for c in 0 .. 8
  var o#{i}_#{c} = 0.0;
//#end
//#end
  var max_a = vec4f(MASKED);
  var max_b = vec4f(MASKED);
  var sum_a = vec4f();
  var sum_b = vec4f();
  var b = 0u;
  workgroupBarrier();

  for (var tile = 0u; tile < tiles; tile++) {
    let own_group = group_at(tile * 16u + tx, first_group);
//#for n in 0 .. V_GROUPS
    let v_row#{n} = row_of(group_at(tile * 16u + v_group#{n}, first_group), kv_head) + v_half * #{F16 ? 2 : 1}u;
    let v_at#{n} = v_row#{n} * #{V_PIECES}u + v_piece;
//#end

    // Scores of 8 rows x 8 keys. The next chunk is on its way meanwhile; after the last one, the first of V.
//#for j in 0 .. 8
//#for i in 0 .. 8
    var s#{i}_#{j} = Word();
//#end
//#end
    for (var chunk = 0u; chunk < #{CHUNKS}u; chunk++) {
      let last = chunk == #{CHUNKS - 1}u;
      if (!last) {
//#for n in 0 .. 2
        q#{n} = load_q(q_at#{n}, chunk + 1u, piece);
//#end
//#for n in 0 .. LOADS
        f#{n} = load_k(k_at#{n % K_GROUPS} + #{(KEY_STEP * n >> 6) * D_PIECES}u, chunk + 1u, piece);
//#end
      } else {
//#for n in 0 .. LOADS
        f#{n} = load_v(v_at#{F16 ? n >> 1 : n} + #{F16 ? (n & 1) * V_PIECES : 0}u, v_piece);
//#end
      }
      let qb = chunk & 1u;
//#for step in 0 .. UNROLL ? 4 : 1
      #{UNROLL ? "" : "for (var p = 0u; p < 4u; p++)"} {
        #{UNROLL ? "const p = " + step + "u;" : ""}
        let row_lane = (ty ^ (2u * p)) & #{TY - 1}u;
        let key_lane = tx ^ (2u * p);
//#for i in 0 .. 8
        let a#{i} = qp[qb][p * 4u + #{i >> 1}u][#{i & 1}][row_lane];
//#for w in 0 .. 4
        let a#{i}_#{w} = pair(a#{i}.#{"xyzw"[w]});
//#end
//#end
//#for j in 0 .. 8
        {
          let words = kv[b][p * 4u + #{j >> 1}u][#{j & 1}][key_lane];
//#for w in 0 .. 4
          let word#{w} = pair(words.#{"xyzw"[w]});
//#for i in 0 .. 8
          s#{i}_#{j} = fma(a#{i}_#{w}, word#{w}, s#{i}_#{j});
//#end
//#end
        }
//#end
      }
//#end
      if (!last) {
//#for n in 0 .. 2
        qp[qb ^ 1u][q_line#{n}][q_odd#{n}][q_lane#{n}] = q#{n};
//#end
//#for n in 0 .. LOADS
        kv[b ^ 1u][k_line#{n}][k_odd#{n}][k_lane#{n % K_GROUPS}] = f#{n};
//#end
      } else {
//#for n in 0 .. V_GROUPS
//#if F16
        kv[b ^ 1u][v_group#{n}][#{SPLIT ? "v_half" : 0}][v_column] = low_pairs(f#{2 * n}, f#{2 * n + 1});
        kv[b ^ 1u][v_group#{n}][#{SPLIT ? "v_half" : 1}][v_column#{SPLIT ? " + 8u" : ""}] = high_pairs(f#{2 * n}, f#{2 * n + 1});
//#else
        kv[b ^ 1u][v_group#{n}][#{SPLIT ? "v_half" : "v_column >> 4u"}][#{SPLIT ? "v_column" : "v_column & 15u"}] = f#{n};
//#end
//#end
      }
      b ^= 1u;
      workgroupBarrier();
    }

    // The keys of the next tile.
    let next_tile = min(tile + 1u, tiles - 1u);
//#for n in 0 .. K_GROUPS
    k_at#{n} = (row_of(group_at(next_tile * 16u + k_group#{n}, first_group), kv_head) + key) * #{D_PIECES}u + piece;
//#end

    // Scores in base 2, with what the tokens stand for; masks.
//#for j in 0 .. 8
    let bias#{j} = bias_of(own_group, #{j}u);
//#for h in 0 .. 2
    var t#{"ab"[h]}#{j} = fma(
      vec4f(whole(s#{4 * h}_#{j}), whole(s#{4 * h + 1}_#{j}), whole(s#{4 * h + 2}_#{j}), whole(s#{4 * h + 3}_#{j})),
      vec4f(call.scale), vec4f(bias#{j}));
//#end
//#end
//#if CAUSAL
    {
      let level = (own_group >> 20u) & 7u;
      let token = (own_group & 0xfffffu) * 8u;
      let row = i32(first_row + ty * 8u) + call.position;
//#for j in 0 .. 8
      {
        let end = (token + #{j + 1}u) << level;
        let late = i32(#{PARTIAL ? "min(end, call.seq_k)" : "end"}) - 1 - row;
        ta#{j} = select(ta#{j}, vec4f(MASKED), vec4<i32>(late) > vec4<i32>(0, 1, 2, 3));
        tb#{j} = select(tb#{j}, vec4f(MASKED), vec4<i32>(late) > vec4<i32>(4, 5, 6, 7));
      }
//#end
    }
//#end

    // Softmax, online.
//#for h in 0 .. 2
    {
      var top = max(max(t#{"ab"[h]}0, t#{"ab"[h]}1), max(t#{"ab"[h]}2, t#{"ab"[h]}3));
      top = max(top, max(max(t#{"ab"[h]}4, t#{"ab"[h]}5), max(t#{"ab"[h]}6, t#{"ab"[h]}7)));
//#if SUBGROUPS
//#for n in 1 .. 5
      top = max(top, subgroupShuffleXor(top, #{2 ** n}u));
//#end
//#else
      qp[0][tx][#{h}][ty] = to_piece(top);
      workgroupBarrier();
      for (var other = 0u; other < 16u; other++) { top = max(top, from_piece(qp[0][other][#{h}][ty])); }
//#end
      let grown = max(max_#{"ab"[h]}, top);
      let shrink = exp2(max_#{"ab"[h]} - grown);
      max_#{"ab"[h]} = grown;
//#for j in 0 .. 8
      t#{"ab"[h]}#{j} = exp2(t#{"ab"[h]}#{j} - #{F16 ? "max(grown + HALVINGS, vec4f(EMPTY))" : "grown"});
//#end
      var sum = (t#{"ab"[h]}0 + t#{"ab"[h]}1) + (t#{"ab"[h]}2 + t#{"ab"[h]}3);
      sum += (t#{"ab"[h]}4 + t#{"ab"[h]}5) + (t#{"ab"[h]}6 + t#{"ab"[h]}7);
      sum_#{"ab"[h]} = fma(sum_#{"ab"[h]}, shrink, sum);
//#for i in 0 .. 4
//#for c in 0 .. 8
      o#{h * 4 + i}_#{c} *= shrink.#{"xyzw"[i]};
//#end
//#end
    }
//#end
//#if !SUBGROUPS
    workgroupBarrier();
//#end

    // Weights times values, in parts that fit into workgroup memory.
//#if F16
//#for i in 0 .. 8
//#for c in 0 .. 8
    var p#{i}_#{c} = Word();
//#end
//#end
//#end
    for (var part = 0u; part < #{PARTS}u; part++) {
//#for u in 0 .. PBUF
//#for h in 0 .. 2
//#if F16
      qp[#{u}][tx][#{h}][ty_write] = pack_pairs(t#{"ab"[h]}#{2 * u}, t#{"ab"[h]}#{2 * u + 1});
//#else
      qp[#{u}][tx][#{h}][ty_write] = t#{"ab"[h]}#{u};
//#end
//#end
//#end
//#if PARTS > 1
//#for u in 0 .. 8 - PART_KEYS
      ta#{u} = ta#{u + PART_KEYS};
      tb#{u} = tb#{u + PART_KEYS};
//#end
//#end
      workgroupBarrier();
      for (var chunk = 0u; chunk < #{V_CHUNKS}u; chunk++) {
        let unit = part * #{PBUF}u + (chunk + 1u) * #{SPLIT ? 2 : 1}u;
        let last = unit == #{UNITS}u;
        if (!last) {
//#for n in 0 .. LOADS
          f#{n} = load_v(v_at#{F16 ? n >> 1 : n} + #{F16 ? "(unit * 2u + " + (n & 1) + "u)" : "unit"} * #{V_PIECES}u, v_piece);
//#end
        } else {
//#for n in 0 .. 2
          q#{n} = load_q(q_at#{n}, 0u, piece);
//#end
//#for n in 0 .. LOADS
          f#{n} = load_k(k_at#{n % K_GROUPS} + #{(KEY_STEP * n >> 6) * D_PIECES}u, 0u, piece);
//#end
        }
        let pb = #{SPLIT ? "chunk * 2u + part_of_keys" : "chunk"};
//#for step in 0 .. UNROLL ? 16 : 1
        #{UNROLL ? "" : "for (var g = 0u; g < 16u; g++)"} {
          #{UNROLL ? "const g = " + step + "u;" : ""}
          let row_lane = (ty ^ ((g & 3u) << 1u)) & #{TY - 1}u;
          let wa = qp[pb][g][0][row_lane];
          let wb = qp[pb][g][1][row_lane];
          let va = kv[b][g][#{SPLIT ? "part_of_keys" : 0}][column];
          let vb = kv[b][g][#{SPLIT ? "part_of_keys" : 1}][column#{SPLIT ? " + 8u" : ""}];
//#for i in 0 .. 8
          let weight#{i} = pair(w#{"ab"[i >> 2]}.#{"xyzw"[i & 3]});
          let value#{i} = pair(v#{"ab"[i >> 2]}.#{"xyzw"[i & 3]});
//#end
//#for c in 0 .. 8
//#for i in 0 .. 8
          #{F16 ? "p" : "o"}#{i}_#{c} = fma(weight#{i}, value#{c}, #{F16 ? "p" : "o"}#{i}_#{c});
//#end
//#end
        }
//#end
        if (!last) {
//#for n in 0 .. V_GROUPS
//#if F16
          kv[b ^ 1u][v_group#{n}][#{SPLIT ? "v_half" : 0}][v_column] = low_pairs(f#{2 * n}, f#{2 * n + 1});
          kv[b ^ 1u][v_group#{n}][#{SPLIT ? "v_half" : 1}][v_column#{SPLIT ? " + 8u" : ""}] = high_pairs(f#{2 * n}, f#{2 * n + 1});
//#else
          kv[b ^ 1u][v_group#{n}][#{SPLIT ? "v_half" : "v_column >> 4u"}][#{SPLIT ? "v_column" : "v_column & 15u"}] = f#{n};
//#end
//#end
        } else {
//#if Q_WAITS
          workgroupBarrier();
//#end
//#for n in 0 .. 2
          qp[0][q_line#{n}][q_odd#{n}][q_lane#{n}] = q#{n};
//#end
//#for n in 0 .. LOADS
          kv[b ^ 1u][k_line#{n}][k_odd#{n}][k_lane#{n % K_GROUPS}] = f#{n};
//#end
        }
        b ^= 1u;
        workgroupBarrier();
      }
    }
//#if F16
//#for i in 0 .. 8
//#for c in 0 .. 8
    o#{i}_#{c} += whole(p#{i}_#{c});
//#end
//#end
//#end
  }

  // Sums over the lanes of a row, and the output.
//#for h in 0 .. 2
//#if SUBGROUPS
//#for n in 1 .. 5
  sum_#{"ab"[h]} += subgroupShuffleXor(sum_#{"ab"[h]}, #{2 ** n}u);
//#end
//#else
  qp[1][tx][#{h}][ty] = to_piece(sum_#{"ab"[h]});
  workgroupBarrier();
  sum_#{"ab"[h]} = vec4f();
  for (var other = 0u; other < 16u; other++) { sum_#{"ab"[h]} += from_piece(qp[1][other][#{h}][ty]); }
//#end
//#end
//#for i in 0 .. 8
  {
    let row = first_row + ty * 8u + #{i}u;
    let top = max_#{"ab"[i >> 2]}.#{"xyzw"[i & 3]};
    let sum = sum_#{"ab"[i >> 2]}.#{"xyzw"[i & 3]};
    let empty = top <= EMPTY;
    let inverse = select(1.0 / sum, 0.0, empty);
    var low = vec4f(o#{i}_0, o#{i}_1, o#{i}_2, o#{i}_3) * inverse;
    var high = vec4f(o#{i}_4, o#{i}_5, o#{i}_6, o#{i}_7) * inverse;
//#if SPLIT && SUBGROUPS
    low += subgroupShuffleXor(low, 16u);
    high += subgroupShuffleXor(high, 16u);
//#end
//#if SPLIT && !SUBGROUPS
    workgroupBarrier();
    qp[0][tx][0][ty] = to_piece(low);
    qp[0][tx][1][ty] = to_piece(high);
    workgroupBarrier();
    low += from_piece(qp[0][tx ^ 8u][0][ty]);
    high += from_piece(qp[0][tx ^ 8u][1][ty]);
//#end
    let at = (head * call.seq_q + row) * #{V_PIECES}u;
    if (row < call.seq_q) {
//#if F16
      let halves = vec4<u32>(pack2x16float(low.xy), pack2x16float(low.zw), pack2x16float(high.xy), pack2x16float(high.zw));
      let own = first_piece + column;
      if (own < #{V_PIECES}u #{SPLIT ? "&& part_of_keys == 0u" : ""}) { out[at + own] = halves; }
//#else
//#if SPLIT
      let own = first_piece + column + part_of_keys * 8u;
      if (own < #{V_PIECES}u) { out[at + own] = select(low, high, part_of_keys == 1u); }
//#else
      let own = first_piece + column;
      if (own < #{V_PIECES}u) { out[at + own] = low; }
      if (own + 16u < #{V_PIECES}u) { out[at + own + 16u] = high; }
//#end
//#end
      if (tx == 0u && wg.z == 0u) {
        lse[head * call.seq_q + row] = select((top + #{F16 ? "HALVINGS + " : ""}log2(sum)) * 0.6931471805599453, call.minus_infinity, empty);
      }
    }
  }
//#end
}
