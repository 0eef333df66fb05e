/**
 * A journal of a tuning: every measurement as it is made, a line each, so that a tuning that was stopped, however it was
 * stopped, goes on where it was.
 *
 * @module
 */
import { readText, requireRegular } from "../../fixtures/guarded.ts";
import { InputError, requireInput } from "../../reference/errors.ts";
import { messageOf, OutputError } from "../text/output.ts";
import { TUNED_SCHEMA } from "./file.ts";
import type { SplitInputs, TuneInput } from "./inputs.ts";
import type { Recall } from "./measure.ts";

/** The inputs and options that a journal is of. */
export type JournalHeader = Readonly<Record<string, unknown>>;

/** A file, and its name for messages. */
interface JournalFile {
  readonly file: Deno.FsFile;
  readonly path: string;
}

/** Measurements that were noted, and the file that more go to. */
export class Journal implements Disposable {
  readonly #known: Map<string, unknown>;
  readonly #file: JournalFile;

  /** Use {@link openJournal}. */
  constructor(file: JournalFile, known: Map<string, unknown>) {
    [this.#file, this.#known] = [file, known];
  }

  /** How many measurements are known. */
  get size(): number {
    return this.#known.size;
  }

  /** A measurement that was noted before, or one that is made now. */
  recall: Recall = async <Value>(name: string, make: () => Promise<Value>): Promise<Value> => {
    if (this.#known.has(name)) return this.#known.get(name) as Value;
    const value = await make();
    this.#known.set(name, value);
    writeLine(this.#file, [name, value]);
    return value;
  };

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#file.file.close();
  }
}

/**
 * The header of a tuning: everything that its measurements depend on.
 *
 * @param inputs inputs to choose on and held out, with their checksums or seeds
 * @param options budget, blocks, seed, the space that is searched, the device if times are measured
 */
export function headerOf(
  { tuning, heldOut }: SplitInputs,
  options: Readonly<Record<string, unknown>>,
): JournalHeader {
  const about = ({ name, sha256, seed }: TuneInput) => ({ name, sha256, seed });
  const shared = {
    schema: TUNED_SCHEMA,
    shape: tuning[0].shape,
    tunedOn: tuning.map(about),
    heldOut: heldOut.map(about),
  };
  return JSON.parse(JSON.stringify({ ...shared, ...options }));
}

/**
 * Opens the journal of a tuning.
 *
 * @param path the file
 * @param header inputs and options of the tuning
 * @param options whether to go on with what is there
 * @throws {InputError} if there is nothing to go on with, it is of another tuning, or there is one that nobody asked for
 *
 * @example
 * ```ts
 * import { openJournal } from "./journal.ts";
 * const path = await Deno.makeTempFile(), header = { density: 0.1 };
 * {
 *   using first = await openJournal(path, header, { begin: "anew" });
 *   await first.recall("a", () => Promise.resolve(1));
 * }
 * using again = await openJournal(path, header, { begin: "resume" });
 * console.log(await again.recall("a", () => Promise.resolve(2))); // 1
 * await Deno.remove(path);
 * ```
 */
export async function openJournal(
  path: string,
  header: JournalHeader,
  { begin }: { readonly begin: "resume" | "anew" | "first" },
): Promise<Journal> {
  const isThere = await requireRegular(path).then(() => true, (error) => {
    if (error instanceof Deno.errors.NotFound) return false;
    throw new InputError(`${path} cannot be read: ${messageOf(error)}.`, { cause: error });
  });
  requireInput(
    isThere || begin !== "resume",
    () => `There is no ${path}: nothing to resume; leave --resume out.`,
  );
  const file = await lockedFile(path);
  try {
    const text = begin === "anew" ? "" : await readText(path);
    const whole = text.slice(0, text.lastIndexOf("\n") + 1); // a last line that was not written to its end does not count
    requireInput(
      whole === "" || begin !== "first",
      () => `${path} is of a tuning that was stopped; --resume continues it, --force begins anew.`,
    );
    const known = whole === "" ? new Map<string, unknown>() : read(path, whole, header);
    const size = new TextEncoder().encode(whole).length;
    await file.truncate(size); // what is there stays, so that a kill in this moment loses nothing
    await file.seek(size, Deno.SeekMode.Start);
    if (whole === "") writeLine({ file, path }, header);
    return new Journal({ file, path }, known);
  } catch (error) {
    file.close();
    if (error instanceof InputError || error instanceof OutputError) throw error;
    throw refused(path, error);
  }
}

/** What is said of a file that cannot be written. */
function refused(path: string, error: unknown): OutputError {
  return new OutputError(`${path} cannot be written: ${messageOf(error)}.`, { cause: error });
}

/** The file, which no other tuning writes to as long as it is open. */
async function lockedFile(path: string): Promise<Deno.FsFile> {
  try {
    const file = await Deno.open(path, { write: true, create: true });
    if (await file.tryLock(true)) return file;
    file.close();
  } catch (error) {
    throw refused(path, error);
  }
  throw new InputError(`${path} is of a tuning that is running; wait until it ends, or give another --out.`);
}

/** The measurements of a journal whose lines are whole. */
function read(path: string, text: string, header: JournalHeader): Map<string, unknown> {
  const [before, ...lines] = parsed(path, text);
  const names = [...new Set([...Object.keys(before), ...Object.keys(header)])];
  const other = names.find((name) => JSON.stringify(before[name]) !== JSON.stringify(header[name]));
  requireInput(
    other === undefined,
    () =>
      `--resume cannot go on with ${path}: its \`${other}\` was ${shown(before[other!])}, now it is ${
        shown(header[other!])
      }; --force begins anew.`,
  );
  return new Map(lines);
}

/** The header, and the names and values of measurements. */
function parsed(path: string, text: string): [JournalHeader, ...[string, unknown][]] {
  try {
    const [header, ...lines] = text.split("\n").slice(0, -1).map((line) =>
      JSON.parse(line, (_, value) => value === "Infinity" ? Infinity : value)
    );
    const isNoted = (line: unknown): line is [string, unknown] => Array.isArray(line) && line.length === 2;
    if (typeof header === "object" && header !== null && lines.every(isNoted)) return [header, ...lines];
  } catch {
    // a line is no JSON
  }
  throw new InputError(`${path} is no journal of a tuning; --force begins anew.`);
}

/** Writes a line whole. */
function writeLine({ file, path }: JournalFile, value: unknown): void {
  const text = JSON.stringify(value, (_, each) => each === Infinity ? "Infinity" : each) + "\n";
  try {
    for (let bytes = new TextEncoder().encode(text); bytes.length > 0;) {
      bytes = bytes.subarray(file.writeSync(bytes));
    }
  } catch (error) {
    throw refused(path, error);
  }
}

/** A value in a message, not longer than a line. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "not there";
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}
