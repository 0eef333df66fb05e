/**
 * The tasks of deno.json as tests run them: with exactly the permissions that the task asks for.
 *
 * @module
 */
import denoJson from "../../deno.json" with { type: "json" };

const TASKS: Readonly<Record<string, { readonly command: string }>> = denoJson.tasks;

/** The names of all tasks. */
export const TASK_NAMES: readonly string[] = Object.keys(TASKS);

/** The command of a task. */
export function commandOf(task: string): string {
  if (!(task in TASKS)) throw new Error(`deno.json has no task ${task}`);
  return TASKS[task].command;
}

/**
 * The permissions of a task: the flags of the program that does its work.
 *
 * @param task the name
 *
 * @example
 * ```ts
 * import { permissionsOf } from "./tasks.ts";
 * console.log(permissionsOf("compare")); // ["--allow-read"]
 * ```
 */
export function permissionsOf(task: string): string[] {
  const words = commandOf(task).split(" "),
    start = words.findLastIndex((word, i) =>
      /^(run|test|bench)$/.test(word) && words[i + 1]?.startsWith("-")
    );
  const end = words.findIndex((word, i) => i > start && !word.startsWith("-"));
  return words.slice(start + 1, end).filter((word) => /^(-A$|--allow-|--deny-)/.test(word));
}
