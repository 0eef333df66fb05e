// Words and pieces, what the matrix products of attention and importance are made of: a piece is 16 bytes, four words, as
// it lies in memory; a word is a channel in float32, and in float16 a pair of halves, so that a multiply-add works on two.
// Queries are halved PRESHIFT times before sums in half precision (packed.ts), which is exact.

//#if F16
enable f16;
alias Piece = vec4<u32>;
alias Word = vec2<f16>;
fn pair(word: u32) -> Word { return vec2<f16>(unpack2x16float(word)); }
fn whole(sum: Word) -> f32 { return f32(sum.x) + f32(sum.y); }
fn shrunk_word(word: u32) -> u32 { return pack2x16float(vec2f(pair(word) * #{2 ** -PRESHIFT}h)); }
fn shrunk(words: Piece) -> Piece {
  return vec4<u32>(shrunk_word(words.x), shrunk_word(words.y), shrunk_word(words.z), shrunk_word(words.w));
}
// Four numbers as a piece of workgroup memory, and back.
fn to_piece(x: vec4f) -> Piece { return bitcast<vec4<u32>>(x); }
fn from_piece(x: Piece) -> vec4f { return bitcast<vec4f>(x); }
//#else
alias Piece = vec4f;
alias Word = f32;
fn pair(word: f32) -> Word { return word; }
fn whole(sum: Word) -> f32 { return sum; }
fn shrunk(words: Piece) -> Piece { return words; }
fn to_piece(x: vec4f) -> Piece { return x; }
fn from_piece(x: Piece) -> vec4f { return x; }
//#end
