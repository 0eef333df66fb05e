/**
 * The sets of mistakes that are planted in numpy and C: numbers from 101 are the fourth set, from 201 the
 * fifth, from 301 the sixth, from 325 the seventh.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { SetOf } from "../page.ts";

const FOLDERS = ["fourth", "fifth", "sixth", "seventh"] as const;
const FIRST_OF_SEVENTH = 325;

/** Kernels of the seventh set, as its kernels.py names them: two forms of each of three. */
export const SEVENTH_KERNELS = [
  "pull",
  "pull-online",
  "levels",
  "levels-lazy",
  "tiles",
  "tiles-tf32",
] as const;

/** The statements of these sets, in the order of their numbers. */
export async function numpySets(): Promise<SetOf[]> {
  return await Promise.all(
    FOLDERS.map(async (name) =>
      JSON.parse(await Deno.readTextFile(new URL(`numpy/${name}/statements.json`, import.meta.url)))
    ),
  );
}

/** Whether a number is one of these sets. */
export function isNumpy(number: number): boolean {
  return number > 100;
}

/** The folder of the kernel in which a mistake lies, or of a kernel without one. */
function folderOf(number: number, kernel: string | undefined): string {
  const seventh = SEVENTH_KERNELS.some((name) => name === kernel);
  return FOLDERS[seventh || number >= FIRST_OF_SEVENTH ? 3 : Math.floor(number / 100) - 1];
}

/**
 * Writes the outputs of one kernel for exported cases.
 *
 * @param number the mistake; 100, 200 and 300 are the kernels without one
 * @param options the folder of cases, that of outputs, and for 300 which kernel of the sixth or seventh set
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
