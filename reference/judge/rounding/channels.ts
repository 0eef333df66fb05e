/**
 * The channels of a table of tokens, one after the other.
 *
 * @module
 */

/** Channels that are taken out of a table of tokens at a time: as many numbers as a line of the cache has. */
const AT_ONCE = 8;

/**
 * The channels of a table, each in one piece: where they lie, a pass over one of them reads every line of the table.
 * Each is good until the next one is taken.
 *
 * @param table numbers, [tokens, channels]
 * @param sizes how many of them are read
 *
 * @example
 * ```ts
 * import { channelsOf } from "./channels.ts";
 * const channels = channelsOf(new Float64Array([1, 2, 3, 4]), { tokens: 2, channels: 2 });
 * console.log([...channels].map((channel) => [...channel])); // [ [ 1, 3 ], [ 2, 4 ] ]
 * ```
 */
export function* channelsOf(
  table: Float64Array,
  { tokens, channels }: { readonly tokens: number; readonly channels: number },
): Generator<Float64Array, undefined> {
  const taken = Array.from({ length: Math.min(AT_ONCE, channels) }, () => new Float64Array(tokens));
  for (let first = 0; first < channels; first += AT_ONCE) {
    const own = taken.slice(0, channels - first);
    for (let t = 0, at = first; t < tokens; t++, at += channels) {
      for (let i = 0; i < own.length; i++) own[i][t] = table[at + i];
    }
    yield* own;
  }
}
