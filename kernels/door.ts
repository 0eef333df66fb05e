/**
 * Checks the arguments of the library's functions, apart from tensors, before they are used.
 *
 * @module
 */
import { requireInput } from "../reference/errors.ts";
import type { TimingOptions } from "./device/work/timing.ts";

/** Options of a call, and of a measurement. */
export const FORWARD_OPTIONS: readonly string[] = ["levels", "mask"],
  TIMING_OPTIONS: readonly string[] = ["repetitions", "warmUp", "expected"];

/** The most repetitions of a measurement: their timestamps are one set, which WebGPU gives 4,096 of. */
const MOST_REPETITIONS = 2048;
/** The most milliseconds of a warm-up. */
const MOST_WARM_UP = 60_000;

/** The kind of a value, in a word or two. */
export function kindOf(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 40));
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return "a list";
  if (typeof value !== "object" || value === null) return String(value);
  const name = Object.getPrototypeOf(value)?.constructor?.name ?? "Object";
  return name === "Object" ? "an object" : `${/^[AEIOU]/.test(name) ? "an" : "a"} ${name}`;
}

/** Throws unless this is a device from `openGpu`. */
export function requireGpu(gpu: unknown, info = (gpu as { info?: unknown } | null | undefined)?.info): void {
  const forgotten = gpu instanceof Promise ? ": await it" : "";
  requireInput(
    typeof gpu === "object" && gpu !== null && typeof info === "object" && info !== null && "limits" in info,
    () => `\`gpu\` is ${kindOf(gpu)}; it should be the result of openGpu${forgotten}.`,
  );
}

/**
 * Throws unless options are an object with known names only.
 *
 * @param options the options; undefined: none
 * @param names the names of all options
 * @throws {InputError} naming the wrong value, or the unknown option
 */
export function requireOptions(options: unknown, names: readonly string[]): void {
  if (options === undefined) return;
  const list = names.map((name) => `\`${name}\``).join(", ");
  requireInput(
    typeof options === "object" && options !== null && !Array.isArray(options),
    () => `The options are ${kindOf(options)}; they should be an object with some of ${list}.`,
  );
  const stray = Object.keys(options).find((name) => !names.includes(name));
  requireInput(
    stray === undefined,
    () => `\`${stray?.slice(0, 40)}\` is not an option here; the options are ${list}.`,
  );
}

/** Throws if the options of a measurement are wrong. */
export function requireTiming(
  { repetitions = 1, warmUp = 0, expected = 0 }: Omit<TimingOptions, "label">,
): void {
  requireInput(
    Number.isInteger(repetitions) && repetitions >= 1 && repetitions <= MOST_REPETITIONS,
    () =>
      `\`repetitions\` is ${kindOf(repetitions)}; it should be a whole number from 1 to ${MOST_REPETITIONS}.`,
  );
  requireInput(
    typeof warmUp === "number" && warmUp >= 0 && warmUp <= MOST_WARM_UP,
    () => `\`warmUp\` is ${kindOf(warmUp)}; it should be milliseconds, from 0 to ${MOST_WARM_UP}.`,
  );
  requireInput(
    typeof expected === "number" && expected >= 0,
    () => `\`expected\` is ${kindOf(expected)}; it should be milliseconds, from 0.`,
  );
}
