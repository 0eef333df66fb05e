/**
 * The sets of mistakes that are planted in numpy and C: numbers from 101 are the fourth set, from 201 the
 * fifth, from 301 the sixth.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { SetOf } from "../page.ts";

const FOLDERS = ["fourth", "fifth", "sixth"] as const;

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

/**
 * Writes the outputs of one kernel for exported cases.
 *
 * @param number the mistake; 100, 200 and 300 are the kernels without one
 * @param options the folder of cases, that of outputs, and for 300 which of the sixth set's kernels
 * @returns what Python said, if it failed
 */
export async function runNumpy(
  number: number,
  { cases, outputs, kernel }: { readonly cases: string; readonly outputs: string; readonly kernel?: string },
): Promise<string | undefined> {
  const folder = FOLDERS[Math.floor(number / 100) - 1];
  const program = fileURLToPath(new URL(`numpy/${folder}/kernels.py`, import.meta.url));
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
