// The pyramid (docs/definition.md#pyramid): means of 2, 4, 8, … tokens, all levels in one pass over the tokens. A template.
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
@group(0) @binding(1) var<storage, read_write> rows: array<Piece>;

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

fn read(head: u32, token: u32, piece: u32) -> Channels {
//#if REPLICATE
  return unpack(rows[(head * call.tokens + min(token, call.tokens - 1u)) * #{PIECES}u + piece]);
//#else
  if (token >= call.tokens) { return Channels(); }
  return unpack(rows[(head * call.tokens + token) * #{PIECES}u + piece]);
//#end
}

fn write(head: u32, level: u32, pooled: u32, piece: u32, sum: Channels) {
  let place = call.levels[level];
  if (pooled >= place.tokens) { return; }
//#if REPLICATE
  let count = 1u << level;
//#else
  let count = min(1u << level, call.tokens - (pooled << level));
//#end
  rows[row_in(place, head, pooled) * #{PIECES}u + piece] = mean(sum, f32(count));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lid: u32, @builtin(num_workgroups) grid: vec3u) {
  let index = (wg.y * grid.x + wg.x) * 64u + lid;
  let piece = index % #{PIECES}u;
  let run = (index / #{PIECES}u) % call.runs;
  let head = index / (#{PIECES}u * call.runs);
  if (head >= #{HEADS}u) { return; }
//#for l in 1 .. TOP + 1
  var sum#{l} = Channels();
//#end
  for (var i = 0u; i < #{2 ** (TOP - 1)}u; i++) {
    let token = run * #{2 ** TOP}u + i * 2u;
    sum1 = add(read(head, token, piece), read(head, token + 1u, piece));
//#for l in 1 .. TOP + 1
//#if (WANTED >> l) & 1
    if ((i & #{2 ** (l - 1) - 1}u) == #{2 ** (l - 1) - 1}u) { write(head, #{l}u, token >> #{l}u, piece, sum#{l}); }
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
