/**
 * The sets of mistakes that are planted in numpy and C: numbers from 101 are the fourth set, from 201 the
 * fifth, from 301 the sixth, from 325 the seventh, from 345 the eighth, from 365 the ninth, from 385 the tenth, from 405 the
 * eleventh, from 425 the twelfth, from 445 the thirteenth, from 465 the fourteenth, from 485 the
 * fifteenth.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { SetOf } from "../page.ts";

const FOLDERS = [
  "fourth",
  "fifth",
  "sixth",
  "seventh",
  "eighth",
  "ninth",
  "tenth",
  "eleventh",
  "twelfth",
  "thirteenth",
  "fourteenth",
  "fifteenth",
] as const;
/** The sets that share a hundred of numbers with the sixth, by their first numbers. */
const FIRST: readonly (readonly [folder: (typeof FOLDERS)[number], number: number])[] = [
  ["fifteenth", 485],
  ["fourteenth", 465],
  ["thirteenth", 445],
  ["twelfth", 425],
  ["eleventh", 405],
  ["tenth", 385],
  ["ninth", 365],
  ["eighth", 345],
  ["seventh", 325],
];

/** Kernels of the seventh set, as its kernels.py names them: two forms of each of three. */
export const SEVENTH_KERNELS = [
  "pull",
  "pull-online",
  "levels",
  "levels-lazy",
  "tiles",
  "tiles-tf32",
] as const;

/** Kernels of the eighth set, as its kernels.py names them: two forms of each of three. */
export const EIGHTH_KERNELS = ["flat", "flat-coarse", "bits", "bits-two", "split", "split-tree"] as const;

/** Kernels of the ninth set, as its kernels.py names them: two forms of each of four. */
export const NINTH_KERNELS = [
  "pages",
  "pages-back",
  "persist",
  "persist-short",
  "smooth",
  "smooth-tree",
  "dense",
  "dense-log",
] as const;

/** Kernels of the tenth set in numpy and C, as its kernels.py names them: two forms of each of two. */
export const TENTH_KERNELS = ["programs", "programs-sorted", "staged", "staged-four"] as const;

/** Kernels of the eleventh set in numpy and C, as its kernels.py names them: two forms of each of two. */
export const ELEVENTH_KERNELS = ["sections", "sections-whole", "shared", "shared-two"] as const;

/** Kernels of the twelfth set in numpy and C, as its kernels.py names them: three, the last in two forms. */
export const TWELFTH_KERNELS = ["bulk", "programs", "splits", "splits-one"] as const;

/** Kernels of the thirteenth set in numpy and C, as its kernels.py names them: three, the first in two forms. */
export const THIRTEENTH_KERNELS = ["worklist", "worklist-whole", "warps", "varlen"] as const;

/** Kernels of the fourteenth set in numpy and C, as its kernels.py names them. */
export const FOURTEENTH_KERNELS = ["plain", "flash"] as const;

/** Kernels of the fifteenth set in numpy and C, as its kernels.py names them. */
export const FIFTEENTH_KERNELS = ["parts", "rows"] as const;

/** Mistakes of the tenth set that are planted in WGSL. */
export const TENTH_IN_WGSL: readonly number[] = [389, 391, 400, 404];

/** Mistakes of the eleventh set that are planted in WGSL. */
export const ELEVENTH_IN_WGSL: readonly number[] = [420, 421, 422];

/** Mistakes of the twelfth set that are planted in WGSL. */
export const TWELFTH_IN_WGSL: readonly number[] = [437, 438, 444];

/** Mistakes of the thirteenth set that are planted in WGSL. */
export const THIRTEENTH_IN_WGSL: readonly number[] = [452, 459, 463];

/** Mistakes of the fourteenth set that are planted in WGSL. */
export const FOURTEENTH_IN_WGSL: readonly number[] = [479, 480, 481, 482, 483, 484];

/** Mistakes of the fifteenth set that are planted in WGSL. */
export const FIFTEENTH_IN_WGSL: readonly number[] = [487, 489, 494, 500];

const IN_WGSL = [
  ...TENTH_IN_WGSL,
  ...ELEVENTH_IN_WGSL,
  ...TWELFTH_IN_WGSL,
  ...THIRTEENTH_IN_WGSL,
  ...FOURTEENTH_IN_WGSL,
  ...FIFTEENTH_IN_WGSL,
];

/** The statements of these sets, in the order of their numbers. */
export async function numpySets(): Promise<SetOf[]> {
  return await Promise.all(
    FOLDERS.map(async (name) =>
      JSON.parse(await Deno.readTextFile(new URL(`numpy/${name}/statements.json`, import.meta.url)))
    ),
  );
}

/** Whether a number is one of these sets, and planted in numpy or C. */
export function isNumpy(number: number): boolean {
  return number > 100 && !IN_WGSL.includes(number);
}

/** The folder of the kernel in which a mistake lies, or of a kernel without one. */
function folderOf(number: number, kernel: string | undefined): string {
  if (SEVENTH_KERNELS.some((name) => name === kernel)) return "seventh";
  if (EIGHTH_KERNELS.some((name) => name === kernel)) return "eighth";
  if (NINTH_KERNELS.some((name) => name === kernel)) return "ninth";
  if (TENTH_KERNELS.some((name) => name === kernel)) return "tenth";
  if (ELEVENTH_KERNELS.some((name) => name === kernel)) return "eleventh";
  if (TWELFTH_KERNELS.some((name) => name === kernel)) return "twelfth";
  if (THIRTEENTH_KERNELS.some((name) => name === kernel)) return "thirteenth";
  if (FOURTEENTH_KERNELS.some((name) => name === kernel)) return "fourteenth";
  if (FIFTEENTH_KERNELS.some((name) => name === kernel)) return "fifteenth";
  return FIRST.find(([, first]) => number >= first)?.[0] ?? FOLDERS[Math.floor(number / 100) - 1];
}

/**
 * Writes the outputs of one kernel for exported cases.
 *
 * @param number the mistake; 100, 200 and 300 are the kernels without one
 * @param options the folder of cases, that of outputs, and for 300 which kernel of the sixth to the fifteenth set
 * @returns what Python said, if it failed
 */
export async function runNumpy(
  number: number,
  { cases, outputs, kernel }: { readonly cases: string; readonly outputs: string; readonly kernel?: string },
): Promise<string | undefined> {
  const program = fileURLToPath(new URL(`numpy/${folderOf(number, kernel)}/kernels.py`, import.meta.url));
  const { code, stderr } = await new Deno.Command("python3", {
    args: [
      ...["-B", program, cases, outputs, "--mistake", String(number % 100)],
      ...(kernel === undefined ? [] : ["--kernel", kernel]),
    ],
    stdout: "null",
    stderr: "piped",
  }).output();
  return code === 0 ? undefined : new TextDecoder().decode(stderr);
}
