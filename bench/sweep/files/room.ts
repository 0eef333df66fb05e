/**
 * Whether the disk has room for the results of a run.
 *
 * @module
 */
import { statfs } from "node:fs/promises";
import { requireInput } from "../../../reference/errors.ts";

/** Bytes of the report and of what else does not grow with the cases, and of a case: its row, written twice, and charts. */
const RUN = 2 ** 23, CASE = 2 ** 13;

/**
 * Throws if the disk of a folder is too small for the results of so many cases.
 *
 * @param folder where results go
 * @param cases the number of cases
 * @param free free bytes; default the system's number, which may be unknown
 * @throws {InputError} if it is
 *
 * @example
 * ```ts
 * import { requireRoom } from "./room.ts";
 * await requireRoom(".", 10);
 * await requireRoom(".", 10, 1000).catch((error) => console.log(error.name)); // InputError
 * ```
 */
export async function requireRoom(folder: string, cases: number, free?: number): Promise<void> {
  const bytes = free ?? await freeBytes(folder), needed = RUN + cases * CASE;
  requireInput(
    bytes === undefined || bytes >= needed,
    () =>
      `--out is "${folder}"; its disk has ${bytes} bytes free, and the results of ${cases} cases may take ${needed}: ` +
      "make room, or give another folder.",
  );
}

async function freeBytes(folder: string): Promise<number | undefined> {
  try {
    const { state } = await Deno.permissions.query({ name: "sys", kind: "statfs" });
    if (state !== "granted") return undefined;
    const { bavail, bsize } = await statfs(folder);
    return Number(bavail) * Number(bsize);
  } catch {
    return undefined; // some file systems do not say
  }
}
