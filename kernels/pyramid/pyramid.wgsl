// The pyramid (docs/definition.md#pyramid): means of 2, 4, 8, … tokens, all levels in one pass over the tokens. A template.
// Keys and values are two halves of one dispatch, in turn along z: the same text for each.
//
// Level 1 is the input itself and lies at the start of the buffer; the levels follow it, in the same layout (row-major,
// token then channel), so the pass reads every token once and writes less than it reads. A thread owns a piece (16
// bytes: 4 or 8 channels) of a run of 2^TOP tokens; neighbouring threads own neighbouring pieces, so reads and writes
// are whole lines. Sums are float32 and pairwise, level from level, and become means when they are written.
// A last, partial group divides by the tokens that it has (exact tails), or reads the last token again (REPLICATE).

//#if F16
alias Piece = vec4<u32>;
//#else
alias Piece = vec4f;
//#end

struct Call {
  tokens: u32,     // of a head
  runs: u32,       // of 2^TOP tokens, of a head
  unused0: u32,
  unused1: u32,
  levels: array<LevelRows, 8>, // where each level lies, by log2(level)
}

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read_write> keys: array<Piece>;
@group(0) @binding(2) var<storage, read_write> values: array<Piece>;

//#if F16
struct Channels { a: vec4f, b: vec4f }
fn unpack(piece: Piece) -> Channels {
  return Channels(vec4f(unpack2x16float(piece.x), unpack2x16float(piece.y)),
    vec4f(unpack2x16float(piece.z), unpack2x16float(piece.w)));
}
fn add(x: Channels, y: Channels) -> Channels { return Channels(x.a + y.a, x.b + y.b); }
fn mean(x: Channels, count: f32) -> Piece {
  let a = x.a / count;
  let b = x.b / count;
  return vec4<u32>(pack2x16float(a.xy), pack2x16float(a.zw), pack2x16float(b.xy), pack2x16float(b.zw));
}
//#else
alias Channels = vec4f;
fn unpack(piece: Piece) -> Channels { return piece; }
fn add(x: Channels, y: Channels) -> Channels { return x + y; }
fn mean(x: Channels, count: f32) -> Piece { return x / count; }
//#end

//#for b in 0 .. 2
fn read#{b}(head: u32, token: u32, piece: u32) -> Channels {
//#if REPLICATE
  return unpack(#{b == 0 ? "keys" : "values"}[(head * call.tokens + min(token, call.tokens - 1u)) * #{b == 0 ? K_PIECES : V_PIECES}u + piece]);
//#else
  if (token >= call.tokens) { return Channels(); }
  return unpack(#{b == 0 ? "keys" : "values"}[(head * call.tokens + token) * #{b == 0 ? K_PIECES : V_PIECES}u + piece]);
//#end
}

fn write#{b}(head: u32, level: u32, pooled: u32, piece: u32, sum: Channels) {
  let place = call.levels[level];
  if (pooled >= place.tokens) { return; }
//#if REPLICATE
  let count = 1u << level;
//#else
  let count = min(1u << level, call.tokens - (pooled << level));
//#end
  #{b == 0 ? "keys" : "values"}[row_in(place, head, pooled) * #{b == 0 ? K_PIECES : V_PIECES}u + piece] = mean(sum, f32(count));
}

fn pool#{b}(index: u32) {
  let piece = index % #{b == 0 ? K_PIECES : V_PIECES}u;
  let run = (index / #{b == 0 ? K_PIECES : V_PIECES}u) % call.runs;
  let head = index / (#{b == 0 ? K_PIECES : V_PIECES}u * call.runs);
  if (head >= #{HEADS}u) { return; }
//#for l in 1 .. TOP + 1
  var sum#{l} = Channels();
//#end
  for (var i = 0u; i < #{2 ** (TOP - 1)}u; i++) {
    let token = run * #{2 ** TOP}u + i * 2u;
    sum1 = add(read#{b}(head, token, piece), read#{b}(head, token + 1u, piece));
//#for l in 1 .. TOP + 1
//#if (WANTED >> l) & 1
    if ((i & #{2 ** (l - 1) - 1}u) == #{2 ** (l - 1) - 1}u) { write#{b}(head, #{l}u, token >> #{l}u, piece, sum#{l}); }
//#end
//#if l < TOP
    if ((i & #{2 ** (l - 1) - 1}u) == #{2 ** (l - 1) - 1}u) {
      sum#{l + 1} = add(sum#{l + 1}, sum#{l});
      sum#{l} = Channels();
    }
//#end
//#end
  }
}
//#end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lid: u32, @builtin(num_workgroups) grid: vec3u) {
  let index = (wg.y * grid.x + wg.x) * 64u + lid;
  if (wg.z == 0u) { pool0(index); } else { pool1(index); }
}
