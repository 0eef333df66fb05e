// Entries of work lists (entry.ts): index | log2(level) << 20 | fills << 23 | mask << 24.
const ENTRY_FILLS = 1u << 23u;
fn entry_of(index: u32, log_level: u32, mask: u32) -> u32 { return index | (log_level << 20u) | (mask << 24u); }
fn entry_index(entry: u32) -> u32 { return entry & 0xfffffu; }
fn entry_log_level(entry: u32) -> u32 { return (entry >> 20u) & 7u; }
// Whether an entry only fills up its tile; whether one of its tokens counts; a token of it that does.
fn entry_fills(entry: u32) -> bool { return (entry & ENTRY_FILLS) != 0u; }
fn entry_counts(entry: u32, token: u32) -> bool { return ((entry >> (24u + token)) & 1u) == 1u; }
fn entry_first_counted(entry: u32) -> u32 { return countTrailingZeros((entry >> 24u) | 128u); }

