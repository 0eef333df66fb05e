/**
 * Reads the tuned file of a sweep.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { readTextSync } from "../../../fixtures/guarded.ts";
import { InputError } from "../../../reference/errors.ts";
import { messageOf } from "../../text/output.ts";
import { parseTuned } from "../../tune/file.ts";
import type { TunedFile } from "./tuned_file.ts";

/**
 * Reads a tuned file.
 *
 * @param path the file
 * @throws {InputError} if it cannot be read, or is no tuned file
 */
export function readTuned(path: string): TunedFile {
  let text: string;
  try {
    text = readTextSync(path);
  } catch (error) {
    const why = error instanceof Deno.errors.IsADirectory ? "it is a folder" : messageOf(error);
    throw new InputError(`--tuned ${path} cannot be read: ${why}.`, { cause: error });
  }
  const { shape, blockM, blockN, seed, heads, density } = parseTuned(text, `--tuned ${path}`);
  const own = heads.map(({ head, choice, asked }) => ({ head, choice, asked }));
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 12);
  return { path, hash, density, call: { shape, blockM, blockN, seed, heads: own } };
}
