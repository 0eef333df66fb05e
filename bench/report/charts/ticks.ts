/**
 * Numbers along logarithmic axes.
 *
 * @module
 */

/** Numbers along an axis that are enough, and most of them. */
const FEW = 3, MANY = 9;

/**
 * The numbers that a logarithmic axis names: 1, 2 and 5 in every decade, decades alone where there are many, and round
 * numbers at equal steps where there are few.
 *
 * @param low the lower end of the axis, above 0
 * @param high the upper end
 *
 * @example
 * ```ts
 * import { logTicks } from "./ticks.ts";
 * console.log(logTicks(0.04, 0.6)); // [0.05, 0.1, 0.2, 0.5]
 * console.log(logTicks(0.71, 0.84)); // [0.75, 0.8]
 * ```
 */
export function logTicks(low: number, high: number): number[] {
  const within = (value: number) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9);
  const decades = Array.from(
    { length: Math.ceil(Math.log10(high)) - Math.floor(Math.log10(low)) + 1 },
    (_, i) => Math.floor(Math.log10(low)) + i,
  );
  const fine = decades.flatMap((power) => [1, 2, 5].map((digit) => Number(`${digit}e${power}`))).filter(
    within,
  );
  if (fine.length > MANY) return decades.map((power) => Number(`1e${power}`)).filter(within);
  if (fine.length >= FEW) return fine;
  const power = Math.floor(Math.log10((high - low) / FEW));
  const step =
    [1, 2, 5, 10].map((digit) => Number(`${digit}e${power}`)).find((each) => (high - low) / each <= 4) ??
      high - low;
  const first = Math.ceil(low / step);
  return Array.from(
    { length: Math.floor(high / step) - first + 1 },
    (_, i) => Number(((first + i) * step).toPrecision(9)),
  );
}
