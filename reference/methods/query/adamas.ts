/**
 * Adamas.
 *
 * @module
 */
import { countBits, setBit, wordsOf } from "../../masks/bits.ts";
import { toFloat64 } from "../../tensor.ts";
import { headSlice, kvHeadOf } from "../../heads.ts";
import { headsOf, keyCounts, ruleSelection } from "../masks.ts";
import type { CallFacts, MaskMethod, MethodInputs } from "../method.ts";

/** A code is how many of three thresholds a number exceeds. */
const THRESHOLDS = 3;
/** The quartiles of a normal distribution, in standard deviations. */
const QUARTILE = 0.67448975;
/** Operations on a word of each threshold's bits: XOR, count, add. */
const OPERATIONS = 3;

/** Codes of the tokens of a head: of each threshold a bit for every channel, [tokens][thresholds][words]. */
interface Codes {
  readonly bits: Uint32Array;
  /** Words of a token. */
  readonly words: number;
}

/** The codes of a head. */
interface HeadCodes {
  readonly q: Codes;
  readonly k: Codes;
  /** The thresholds that they were made with. */
  readonly thresholds: readonly number[];
}

/**
 * Adamas with thresholds: queries and keys are turned by the Hadamard matrix, every channel becomes a code of two bits,
 * and every query takes the keys whose codes are nearest.
 *
 * @param name the name of the method
 * @param rule its rule in one line
 * @param thresholdsOf three ascending thresholds from the root mean square of the head's queries and keys
 */
function adamas(name: string, rule: string, thresholdsOf: (rms: number) => readonly number[]): MaskMethod {
  const method: MaskMethod = {
    name,
    rule,
    granularity: "query",
    basis: "code",
    source: "Adamas",
    causal: true,
    usesImportance: false,
    needsAllRows: true,
    lacks: ({ headDim }: CallFacts) =>
      Number.isInteger(Math.log2(headDim))
        ? null
        : `The head dimension is ${headDim}; ${name} needs a power of two for its Hadamard matrix.`,
    selectionCost: ({ headDim = 64 }) => THRESHOLDS * OPERATIONS * wordsOf(headDim) / (4 * headDim),
    select(inputs, density) {
      const codes = inputs.once(
        `codes of ${name}`,
        () => headsOf(inputs).map((head) => codesOf(inputs, head, thresholdsOf)),
      );
      const words = wordsOf(inputs.sizes.seqK);
      const { seenBy, countOf, density: reached } = keyCounts(inputs, density);
      const fill = (bits: Uint32Array, head: number, first: number, end: number) => {
        const { q, k } = codes[head];
        for (let i = first; i < end; i++) {
          const row = bits.subarray((i - first) * words, (i - first + 1) * words);
          markNearest(q, k, { query: i, keys: seenBy(i), count: countOf(i), mark: (j) => setBit(row, j) });
        }
      };
      const perQuery = (of: (query: number) => number) =>
        Int32Array.from({ length: inputs.sizes.seqQ }, (_, query) => of(query));
      const thresholds = Float64Array.from(codes.flatMap((head) => head.thresholds));
      const taken = { seen: perQuery(seenBy), counts: perQuery(countOf) };
      return { ...ruleSelection(inputs, reached, { fill }), rule: { kind: "nearest", thresholds, ...taken } };
    },
  };
  return method;
}

/** {@link adamas} with the published thresholds. */
export const adamasPublished: MaskMethod = adamas(
  "adamas-published",
  "for every query the keys of the nearest 2-bit codes after a Hadamard transform; thresholds -10, 0, 10",
  () => [-10, 0, 10],
);

/** {@link adamas} with thresholds at the quartiles that a normal distribution of this head's size has. */
export const adamasScaled: MaskMethod = adamas(
  "adamas-scaled",
  "for every query the keys of the nearest 2-bit codes after a Hadamard transform; thresholds at quartiles",
  (rms) => [-QUARTILE * rms, 0, QUARTILE * rms],
);

/** The codes of a head's queries and of the keys that they read. */
function codesOf(
  { qkv: { q, k } }: MethodInputs,
  head: number,
  thresholdsOf: (rms: number) => readonly number[],
): HeadCodes {
  const dim = q.shape[3], queries = toFloat64(headSlice(q, head)).data;
  const keys = toFloat64(headSlice(k, kvHeadOf({ q, k }, head))).data;
  const meanSquare = (data: Float64Array) => data.reduce((sum, x) => sum + x * x, 0) / data.length;
  const thresholds = thresholdsOf(Math.sqrt((meanSquare(queries) + meanSquare(keys)) / 2));
  return { q: codesOfTokens(queries, dim, thresholds), k: codesOfTokens(keys, dim, thresholds), thresholds };
}

/** The codes of some tokens, [tokens][dim], which are turned in place. */
function codesOfTokens(tokens: Float64Array, dim: number, thresholds: readonly number[]): Codes {
  const plane = wordsOf(dim), words = THRESHOLDS * plane;
  const bits = new Uint32Array(tokens.length / dim * words);
  for (let i = 0; i * dim < tokens.length; i++) {
    const token = tokens.subarray(i * dim, (i + 1) * dim);
    hadamard(token);
    thresholds.forEach((threshold, t) => {
      const own = bits.subarray(i * words + t * plane, i * words + (t + 1) * plane);
      for (let c = 0; c < dim; c++) if (token[c] > threshold) setBit(own, c);
    });
  }
  return { bits, words };
}

/** Multiplies a vector by the orthonormal Hadamard matrix of its length, a power of two, in place. */
function hadamard(x: Float64Array): void {
  for (let half = 1; half < x.length; half *= 2) {
    for (let at = 0; at < x.length; at++) {
      if ((at & half) !== 0) continue;
      const a = x[at], b = x[at + half];
      x[at] = a + b;
      x[at + half] = a - b;
    }
  }
  const norm = Math.sqrt(x.length);
  for (let at = 0; at < x.length; at++) x[at] /= norm;
}

/** Marks the keys nearest to a query in the sum of differences of codes, of equals the first. */
function markNearest(
  q: Codes,
  k: Codes,
  { query, keys, count, mark }: {
    readonly query: number;
    readonly keys: number;
    readonly count: number;
    readonly mark: (key: number) => void;
  },
): void {
  const { words } = q, own = q.bits.subarray(query * words, (query + 1) * words);
  const distances = new Int32Array(keys), counts = new Int32Array(32 * words + 1);
  for (let j = 0, at = 0; j < keys; j++) {
    let distance = 0;
    for (let word = 0; word < words; word++, at++) distance += countBits(own[word] ^ k.bits[at]);
    distances[j] = distance;
    counts[distance]++;
  }
  let bound = 0, left = count;
  for (; left > counts[bound]; bound++) left -= counts[bound];
  for (let j = 0; j < keys; j++) {
    if (distances[j] < bound || (distances[j] === bound && left-- > 0)) mark(j);
  }
}
