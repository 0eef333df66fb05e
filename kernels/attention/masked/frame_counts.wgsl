// How many keys every frame keeps: its share times the largest factor under which all frames together keep no more than the
// budget, found by halving. One workgroup a key head; an invocation has some frames.

override FRAMES: u32;
override FRAME: u32;        // tokens of a frame
override BUDGET: u32;       // keys of a head

@group(0) @binding(0) var<storage, read> shares: array<f32>;             // [key heads][FRAMES]
@group(0) @binding(1) var<storage, read_write> table: array<vec4u>;      // [key heads][FRAMES]: keys, how many are kept, none first

const THREADS = 256u;
const HALVINGS = 40u;
var<workgroup> total: array<u32, 256>;

fn count_at(frame: u32, head: u32, factor: f32) -> u32 {
  return u32(min(f32(FRAME), floor(factor * shares[head * FRAMES + frame] * f32(FRAME) + 0.5)));
}

fn kept_at(factor: f32, head: u32, lid: u32) -> u32 {
  var own = 0u;
  for (var t = lid; t < FRAMES; t += THREADS) { own += count_at(t, head, factor); }
  workgroupBarrier();
  total[lid] = own;
  for (var width = THREADS / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lid < width) { total[lid] += total[lid + width]; }
  }
  workgroupBarrier();
  return total[0];
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32) {
  let head = group.x;
  var least = 3.0e38;
  for (var t = lid; t < FRAMES; t += THREADS) {
    let share = shares[head * FRAMES + t];
    if (share > 0.0) { least = min(least, share); }
  }
  least = reduced(least, lid, SMALLEST);
  let most = select(1.0, 1.0 / least + 1.0, least < 2.0e38);
  var low = 0.0;
  var high = most;
  for (var i = 0u; i < HALVINGS; i++) {
    let middle = (low + high) / 2.0;
    if (kept_at(middle, head, lid) <= BUDGET) { low = middle; } else { high = middle; }
  }
  if (kept_at(most, head, lid) <= BUDGET) { low = most; }
  for (var t = lid; t < FRAMES; t += THREADS) {
    table[head * FRAMES + t] = vec4u(FRAME, count_at(t, head, low), 0xffffffffu, 0u);
  }
}
