/**
 * Times of several pieces of work that can be compared: interleaved in random order, so that no piece has all of a
 * slow period; a small probe with every measurement detects slow periods, whose measurements are repeated.
 *
 * @module
 */
import { seededRandom, shuffled } from "../../reference/random.ts";
import { estimateLooked, LOOKS, type MedianEstimate, medianOf } from "./statistics.ts";

/** When measuring ends, and its dependencies. */
export interface MeasureOptions {
  /** Confidence of the intervals. */
  readonly confidence: number;
  /** Width of an interval over its median at which a piece of work has been measured enough. */
  readonly precision: number;
  /** Seconds after which nothing is begun but the first measurement of a piece. */
  readonly seconds: number;
  /** Seed of the order. */
  readonly seed: number;
  /** Times something small that is always the same. */
  readonly probe: () => Promise<number>;
  /** A clock in milliseconds; default the system's. */
  readonly now?: () => number;
  /** Called after every measurement. */
  readonly onMeasured?: () => void;
  /** Aborted when nothing more is to be measured: what was measured until then is the result. */
  readonly stop?: AbortSignal;
}

/** The measurements of one piece of work. */
export interface Measured {
  /** Milliseconds, all that count. */
  readonly times: readonly number[];
  /** Their median; null if there are none. */
  readonly estimate: MedianEstimate | null;
  /** How many were left out since they fell into a slow stretch. */
  readonly repeated: number;
}

/** A probe this many times slower than the median probe indicates a slow period. */
const SLOW = 1.3;
const FIRST_PROBES = 7, MOST_REPEATED = 4;

/**
 * Measures pieces of work until their medians are known well enough or the time is over. Every piece is measured at
 * least once, unless it is asked to stop; one whose clock gives no number again and again stays without times. No measurement is preferred for being
 * fast: what is left out is left out for what a probe beside it took.
 *
 * @param work functions that time each piece of work once, in milliseconds
 * @param options when to end, and the probe
 *
 * @example
 * ```ts
 * import { measureInterleaved } from "./interleaved.ts";
 * const options = { confidence: 0.95, precision: 0.1, seconds: 1, seed: 1, probe: () => Promise.resolve(1) };
 * const [{ times }] = await measureInterleaved([() => Promise.resolve(5)], options);
 * console.log(times); // [5, 5, 5, 5, 5, 5, 5, 5]
 * ```
 */
export async function measureInterleaved(
  work: readonly (() => Promise<number>)[],
  options: MeasureOptions,
): Promise<Measured[]> {
  const { probe, onMeasured, stop, now = () => performance.now() } = options;
  const random = seededRandom(options.seed), end = now() + options.seconds * 1000;
  const measured = work.map(() => ({ times: [] as number[], repeated: 0 }));
  const probes: number[] = [], without = new Set<number>();
  for (let i = 0; i < FIRST_PROBES; i++) probes.push(await probe());
  for (let busy = true; busy;) {
    busy = false;
    for (const piece of shuffled(work.length, random)) {
      const { times } = measured[piece];
      if (stop?.aborted) break;
      if (without.has(piece) || isKnown(times, options)) continue;
      if (times.length > 0 && now() + medianOf(times) > end) continue;
      busy = true;
      const time = await work[piece]();
      probes.push(await probe());
      const usual = medianOf(probes);
      const slow = Math.max(...probes.slice(-2)) > SLOW * usual, lost = !Number.isFinite(time);
      if ((slow || lost) && measured[piece].repeated < MOST_REPEATED) measured[piece].repeated++;
      else if (lost) without.add(piece);
      else times.push(time);
      onMeasured?.();
    }
  }
  return measured.map((each) => ({
    ...each,
    estimate: each.times.length > 0 ? estimateLooked(each.times, options.confidence) : null,
  }));
}

/** Whether a median is known with the requested precision; checked at a few counts only, see {@link estimateLooked}. */
function isKnown(
  times: readonly number[],
  { confidence, precision }: Pick<MeasureOptions, "confidence" | "precision">,
): boolean {
  if (times.length >= LOOKS.at(-1)!) return true;
  if (!LOOKS.includes(times.length)) return false;
  const { median, low, high, confidence: reached } = estimateLooked(times, confidence);
  return reached >= confidence && high - low <= precision * median;
}
