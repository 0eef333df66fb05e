/**
 * The sets of mistakes that are planted in numpy and C, from the fourth on, and their numbers.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { SetOf } from "../page.ts";

/** A set: its folder, its first number, and its kernels in numpy and C as its kernels.py names them. */
interface PlantedSet {
  readonly folder: string;
  /** Of the first three that of the kernel without a mistake, which stands before the mistakes. */
  readonly first: number;
  /** None where there is one alone, without a name. */
  readonly kernels: readonly string[];
  /** The kernel in WGSL, and the mistakes that are planted there and not in numpy or C. */
  readonly wgsl?: { readonly kernel: WgslName; readonly mistakes: readonly number[] };
}

/** A kernel in numpy or C of a set. */
export interface PlantedKernel {
  readonly folder: string;
  readonly kernel: string;
}

/** The names of the kernels in WGSL. */
export type WgslName = "rows" | "tiled" | "lanes" | "eights" | "subgroups" | "blocks" | "sixteens";

/** The sets in the order of their numbers. */
export const SETS: readonly PlantedSet[] = [
  { folder: "fourth", first: 100, kernels: [] },
  { folder: "fifth", first: 200, kernels: [] },
  { folder: "sixth", first: 300, kernels: ["lanes", "split", "gather", "stream"] },
  {
    folder: "seventh",
    first: 325,
    kernels: ["pull", "pull-online", "levels", "levels-lazy", "tiles", "tiles-tf32"],
  },
  {
    folder: "eighth",
    first: 345,
    kernels: ["flat", "flat-coarse", "bits", "bits-two", "split", "split-tree"],
  },
  {
    folder: "ninth",
    first: 365,
    kernels: [
      ...["pages", "pages-back", "persist", "persist-short"],
      ...["smooth", "smooth-tree", "dense", "dense-log"],
    ],
  },
  {
    folder: "tenth",
    first: 385,
    kernels: ["programs", "programs-sorted", "staged", "staged-four"],
    wgsl: { kernel: "tiled", mistakes: [389, 391, 400, 404] },
  },
  {
    folder: "eleventh",
    first: 405,
    kernels: ["sections", "sections-whole", "shared", "shared-two"],
    wgsl: { kernel: "lanes", mistakes: [420, 421, 422] },
  },
  {
    folder: "twelfth",
    first: 425,
    kernels: ["bulk", "programs", "splits", "splits-one"],
    wgsl: { kernel: "eights", mistakes: [437, 438, 444] },
  },
  {
    folder: "thirteenth",
    first: 445,
    kernels: ["worklist", "worklist-whole", "warps", "varlen"],
    wgsl: { kernel: "subgroups", mistakes: [452, 459, 463] },
  },
  {
    folder: "fourteenth",
    first: 465,
    kernels: ["plain", "flash"],
    wgsl: { kernel: "blocks", mistakes: [479, 480, 481, 482, 483, 484] },
  },
  {
    folder: "fifteenth",
    first: 485,
    kernels: ["parts", "rows"],
    wgsl: { kernel: "sixteens", mistakes: [487, 489, 494, 500] },
  },
];

/** The statements of these sets, in the order of their numbers. */
export async function numpySets(): Promise<SetOf[]> {
  return await Promise.all(
    SETS.map(async ({ folder }) =>
      JSON.parse(await Deno.readTextFile(new URL(`numpy/${folder}/statements.json`, import.meta.url)))
    ),
  );
}

/** Whether a number is one of these sets, and planted in numpy or C. */
export function isNumpy(number: number): boolean {
  return number > 100 && !SETS.some(({ wgsl }) => wgsl?.mistakes.includes(number));
}

/**
 * Writes the outputs of one kernel for exported cases.
 *
 * @param number the mistake; 100, 200 and 300 are the kernels without one
 * @param options the folder of cases, that of outputs, and for a kernel without a mistake, of the sixth set on, which one
 * @returns what Python said, if it failed
 */
export async function runNumpy(
  number: number,
  { cases, outputs, right }: {
    readonly cases: string;
    readonly outputs: string;
    readonly right?: PlantedKernel;
  },
): Promise<string | undefined> {
  const folder = right?.folder ?? SETS.findLast(({ first }) => number >= first)!.folder;
  const program = fileURLToPath(new URL(`numpy/${folder}/kernels.py`, import.meta.url));
  const { code, stderr } = await new Deno.Command("python3", {
    args: [
      ...["-B", program, cases, outputs, "--mistake", String(number % 100)],
      ...(right === undefined ? [] : ["--kernel", right.kernel]),
    ],
    stdout: "null",
    stderr: "piped",
  }).output();
  return code === 0 ? undefined : new TextDecoder().decode(stderr);
}
