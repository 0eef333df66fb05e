/**
 * Rows of bits: the keys that a query sees, 32 keys per word.
 *
 * @module
 */

/** Keys of a word. */
export const WORD = 32;

/** The words that a row of so many keys takes. */
export function wordsOf(keys: number): number {
  return Math.ceil(keys / WORD);
}

/** Sets the bits [from, end) of a row. */
export function setRange(row: Uint32Array, from: number, end: number): void {
  for (let j = from; j < end;) {
    const word = j >>> 5, stop = Math.min(end, (word + 1) * WORD), length = stop - j;
    row[word] |= length === WORD ? -1 : ((1 << length) - 1) << (j & 31);
    j = stop;
  }
}

/** Sets one bit of a row. */
export function setBit(row: Uint32Array, j: number): void {
  row[j >>> 5] |= 1 << (j & 31);
}

/** Whether a bit of a row is set. */
export function hasBit(row: Uint32Array, j: number): boolean {
  return (row[j >>> 5] >>> (j & 31) & 1) === 1;
}

/** Clears the bits from `end` on. */
export function clearFrom(row: Uint32Array, end: number): void {
  const word = Math.floor(end / WORD), rest = end % WORD;
  if (word >= row.length) return;
  row[word] &= rest === 0 ? 0 : (1 << rest) - 1;
  row.fill(0, word + 1);
}

/** How many bits of a word are set. */
export function countBits(word: number): number {
  word -= word >>> 1 & 0x55555555;
  word = (word & 0x33333333) + (word >>> 2 & 0x33333333);
  return Math.imul(word + (word >>> 4) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** How many bits of a row are set. */
export function countRow(row: Uint32Array): number {
  let count = 0;
  for (let word = 0; word < row.length; word++) count += countBits(row[word]);
  return count;
}
