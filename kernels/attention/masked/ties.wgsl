// The end of a choice of the nearest or the best: words of 32 bits, of which all that come before a bound are taken, and of those
// at it the first. A part of nearest.wgsl and best.wgsl, behind scan.wgsl.

// The first bits of a word, so many of them.
fn first_bits(word: u32, count: u32) -> u32 {
  var rest = word;
  for (var i = 0u; i < count && rest != 0u; i++) { rest &= rest - 1u; }
  return word & ~rest;
}

// The bits that are taken of a word: `near` and the first of `ties`, of which `left` are taken in all, and `before` lie in words
// before those of this round.
fn taken_bits(near: u32, ties: u32, before: u32, left: u32, lid: u32) -> u32 {
  let own = countOneBits(ties);
  let earlier = before + summed(own, lid) - own;
  return near | first_bits(ties, left - min(left, earlier));
}
