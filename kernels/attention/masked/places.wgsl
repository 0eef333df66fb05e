// The bits of keys in the order of the call from bits in the order of the video, for every query head. An invocation has a word of 32
// keys, whose places it looks up.

override KEYS: u32;         // keys of a head
override FRAME: u32;        // tokens of a frame
override FRAMES: u32;
override FRAME_WORDS: u32;  // words of a frame
override WORDS: u32;        // words of a head
override GROUP: u32;        // query heads a key head

@group(0) @binding(0) var<storage, read> frames: array<u32>;           // [key heads][FRAMES][FRAME_WORDS]
@group(0) @binding(1) var<storage, read> place_of: array<u32>;         // [KEYS]: the place of a token in the video
@group(0) @binding(2) var<storage, read_write> mask: array<u32>;       // [heads][WORDS]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= WORDS) { return; }
  var bits = 0u;
  for (var b = 0u; b < 32u; b++) {
    let key = id.x * 32u + b;
    if (key >= KEYS) { break; }
    let place = place_of[key];
    let at = ((id.y / GROUP * FRAMES + place / FRAME) * FRAME_WORDS) + place % FRAME / 32u;
    bits |= ((frames[at] >> (place % FRAME % 32u)) & 1u) << b;
  }
  mask[id.y * WORDS + id.x] = bits;
}
