// Four channels of a token in float32, from any element type: for `pooled` importance and the similarity cap.
override F16: bool;         // tokens are float16, else float32
@group(0) @binding(0) var<storage, read> tokens: array<vec4u>;

// Channels 4 * piece .. 4 * piece + 3 of all tokens taken as one row.
fn channels(piece: u32) -> vec4f {
  if (!F16) { return bitcast<vec4f>(tokens[piece]); }
  let pair = tokens[piece / 2u];
  let packed = select(pair.xy, pair.zw, piece % 2u == 1u);
  return vec4f(unpack2x16float(packed.x), unpack2x16float(packed.y));
}

