/**
 * The duty of every reader: a result or one sentence, soon, whatever the file holds.
 *
 * @module
 */
import { InputError } from "../../../reference/errors.ts";
import { assert } from "../../support/assert.ts";

/** The most characters of a sentence, and milliseconds of a read. */
const SENTENCE = 300, SOON = 10_000;

/**
 * Reads, and gives what was read or the sentence that refused it.
 *
 * @throws if the reader threw something else, its sentence is none, or it took too long
 */
export async function readOrSentence<Result>(
  read: () => Result | Promise<Result>,
  { longest = SENTENCE }: { readonly longest?: number } = {},
): Promise<{ readonly result: Result } | { readonly sentence: string }> {
  const begin = performance.now();
  try {
    return { result: await read() };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const { message } = error;
    assert(message.length > 0 && message.length <= longest, `a sentence of ${message.length} characters`);
    // deno-lint-ignore no-control-regex
    const isPlain = !/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(message);
    assert(isPlain, `control characters: ${show(message)}`);
    return { sentence: message };
  } finally {
    const took = performance.now() - begin;
    assert(took < SOON, `the reader took ${Math.round(took)} ms`);
  }
}

/** Text with its control characters written out. */
function show(text: string): string {
  return JSON.stringify(text.slice(0, 200));
}

/** Files in a folder of their own, which goes away afterwards. */
export async function withFiles(
  files: Readonly<Record<string, Uint8Array | string>>,
  work: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "psa-fuzz-" });
  try {
    for (const [name, content] of Object.entries(files)) {
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      await Deno.writeFile(`${folder}/${name}`, bytes);
    }
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
