// Entries as whole numbers that order them: a part of the kernels that search a bound and that cut entries at it.
//
// A block with an entry takes part at a level from the parameter on that is the entry divided by the end of the level. The
// bits of a number that is not negative, read as a whole number, are in its order.

override ENTRIES: u32;      // entries of a head
override QUOTAS: u32;       // levels
override SLACK: f32;        // by how much an entry may pass an end
override MOST: f32;         // the greatest parameter
override PAIRS: bool;       // entries are scores: the largest are taken first, of equals those that come first

struct Quota { level: i32, end: f32, cost: u32 }   // ascending; what a block costs more than at the next level

@group(0) @binding(0) var<storage, read> entries: array<f32>;   // [heads][ENTRIES]
@group(0) @binding(1) var<storage, read> quotas: array<Quota>;

const NONE = 0xffffffffu;

// Where an entry stands before all bounds, or behind them.
fn is_always(entry: f32) -> bool { return !PAIRS && entry < 0.0; }

// The key from which on an entry takes part at a level; NONE: it never does.
fn key_at(entry: f32, end: f32) -> u32 {
  if (PAIRS) { return 0x7fffffffu - bitcast<u32>(max(entry, 0.0)); }
  let parameter = max(entry - SLACK, 0.0) / end;
  return select(NONE, bitcast<u32>(parameter), parameter <= MOST);
}
