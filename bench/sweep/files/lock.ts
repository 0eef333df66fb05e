/**
 * The lock of a folder: as long as a run writes there no other one does. The system holds it for the process and lets go
 * of it however the process ends, so that a run that was killed leaves no lock.
 *
 * @module
 */
import { join } from "node:path";
import { InputError } from "../../../reference/errors.ts";
import { messageOf } from "../../text/output.ts";

const LOCK = ".lock";
/** Files that a run was writing when it was killed. */
const LEFT_OVER = /^(sweep\.csv|environment\.json|report\.html|claim\.md)\.\d+\.part$/;

/** A folder that no other run writes to. */
export interface FolderLock extends AsyncDisposable {
  /** The folder. */
  readonly folder: string;
}

/**
 * Locks a folder, and removes incomplete files of a killed run.
 *
 * @param folder the folder
 * @returns the lock; null if another run has it
 * @throws {InputError} if the folder cannot be locked
 *
 * @example
 * ```ts
 * import { lockFolder } from "./lock.ts";
 * const folder = await Deno.makeTempDir();
 * {
 *   await using lock = await lockFolder(folder);
 *   console.log(lock !== null, await lockFolder(folder)); // true null
 * }
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function lockFolder(folder: string): Promise<FolderLock | null> {
  const path = join(folder, LOCK);
  try {
    for (;;) {
      const file = await Deno.open(path, { read: true, write: true, create: true });
      if (!await file.tryLock(true)) {
        file.close();
        return null;
      }
      if (await isAt(file, path)) return await held(folder, file);
      file.close(); // the run that had it ended, and took the file away, between the two steps
    }
  } catch (error) {
    throw new InputError(`The folder "${folder}" cannot be locked: ${messageOf(error)}.`, { cause: error });
  }
}

/** Whether an open file is still the one at a path. */
async function isAt(file: Deno.FsFile, path: string): Promise<boolean> {
  const [open, there] = await Promise.all([file.stat(), Deno.stat(path).catch(() => null)]);
  return there !== null && open.ino === there.ino && open.dev === there.dev;
}

/** The lock that an open file is. */
async function held(folder: string, file: Deno.FsFile): Promise<FolderLock> {
  for await (const { name } of Deno.readDir(folder)) {
    if (LEFT_OVER.test(name)) await Deno.remove(join(folder, name)).catch(() => {});
  }
  return {
    folder,
    async [Symbol.asyncDispose]() {
      await Deno.remove(join(folder, LOCK)).catch(() => {});
      file.close();
    },
  };
}
