// Places of the levels of the pyramid in the buffers of keys and values (layout.ts): a table by log2(level).
struct LevelRows { first_row: u32, tokens: u32, unused0: u32, unused1: u32 }

// The row of a pooled token of a head.
fn row_in(place: LevelRows, head: u32, pooled: u32) -> u32 { return place.first_row + head * place.tokens + pooled; }

