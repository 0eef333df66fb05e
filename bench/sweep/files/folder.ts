/**
 * Where the results of a run go: into a folder of their own, that no other run writes to, and never over others unasked.
 *
 * @module
 */
import { join } from "node:path";
import { InputError, requireInput } from "../../../reference/errors.ts";
import { type FolderLock, lockFolder } from "./lock.ts";
import { holdsRun, readRun, requireFolder } from "./write.ts";

/** The options that concern the folder. */
export interface FolderRequest {
  /** The requested folder; null: `usual`, or the next of `usual/2`, `usual/3`, … without a run. */
  readonly out: string | null;
  /** The default folder; default `results`. */
  readonly usual?: string;
  /** Whether to go on with the run that is there. */
  readonly resume: boolean;
  /** Whether to replace the run that is there. */
  readonly force: boolean;
  /** Whether who asks could go on with a run; default true. */
  readonly resumes?: boolean;
}

/** The n-th default folder, from 1. */
function numbered(usual: string, n: number): string {
  return n === 1 ? usual : join(usual, String(n));
}

/**
 * Finds, makes and locks the folder of a run.
 *
 * @param request the requested folder
 * @throws {InputError} if another run writes there, a run is there and nothing is said of it, there is none to go on
 * with, or files cannot be written there
 *
 * @example
 * ```ts
 * import { openFolder } from "./folder.ts";
 * const out = await Deno.makeTempDir();
 * {
 *   await using lock = await openFolder({ out, resume: false, force: false });
 *   console.log(lock.folder === out); // true
 * }
 * await Deno.remove(out, { recursive: true });
 * ```
 */
export async function openFolder(request: FolderRequest): Promise<FolderLock> {
  const { out, usual = "results", resume, force } = request;
  requireInput(
    !(resume && force),
    "--resume continues a run and --force replaces it; give only one of them.",
  );
  if (resume) return await locked(out ?? await latest(usual), request);
  if (out !== null || force) return await locked(out ?? usual, request);
  for (let n = 1;; n++) {
    const folder = numbered(usual, n);
    if (await holdsRun(folder)) continue;
    await requireFolder(folder);
    const lock = await lockFolder(folder);
    if (lock !== null && !await holdsRun(folder)) return lock;
    await lock?.[Symbol.asyncDispose]();
  }
}

/** The last of the numbered folders that holds a run. */
async function latest(usual: string): Promise<string> {
  let n = 1;
  while (await holdsRun(numbered(usual, n + 1))) n++;
  return numbered(usual, n);
}

/** Locks a folder, after it is decided whether the run in it is continued, replaced or kept. */
async function locked(folder: string, { resume, force, resumes = true }: FolderRequest): Promise<FolderLock> {
  if (resume) await readRun(folder);
  else await requireFolder(folder);
  const lock = await lockFolder(folder);
  if (lock === null) {
    throw new InputError(
      `Another run writes to "${folder}"; wait for it, or give another folder with --out.`,
    );
  }
  if (resume || force || !await holdsRun(folder)) return lock;
  await lock[Symbol.asyncDispose]();
  throw new InputError(
    `"${folder}" has a run; ${
      resumes ? "--resume continues it, " : ""
    }--force replaces it, --out names another folder.`,
  );
}
