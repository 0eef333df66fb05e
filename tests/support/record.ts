/**
 * Long tasks in pieces that are kept: results go to a file line by line as they come. A task that was stopped goes on
 * where it was, parts that ran on several machines are joined, and a page is written once all pieces are there.
 *
 * @module
 */
import { readTextSync } from "../../fixtures/guarded.ts";
import { sha256 } from "../../fixtures/sha256.ts";
import { InputError, requireInput } from "../../reference/errors.ts";
import type { OptionHelp } from "../../bench/options/command_line.ts";
import type { OptionReader } from "../../bench/options/reader.ts";
import { readShard } from "../../bench/sweep/options/options.ts";
import { say } from "../../bench/text/output.ts";

/** A piece of a task: what it is called in a record, and what there is to do. */
export interface Piece<Work> {
  readonly key: string;
  readonly work: Work;
}

/** The options of a task whose pieces are kept. */
export const PIECE_OPTIONS: readonly OptionHelp[] = [
  {
    name: "record",
    value: "FILE",
    help: "keep results in it, and do not repeat those that it holds; given several times: those of all",
    many: true,
  },
  { name: "shard", value: "I/N", help: "only part I of N, without a page; then once with all records" },
  { name: "old-records", value: "", help: "take records that were made from other sources" },
];

/** A task with its pieces. */
export interface Recorded<Work> {
  /** The name of the task. */
  readonly task: string;
  readonly pieces: readonly Piece<Work>[];
  readonly read: OptionReader;
  /** Is called with each message; default: messages are printed on stderr. */
  readonly tell?: (text: string) => void;
}

const ROOT = new URL("../../", import.meta.url);
/** The folders whose sources decide the results: a record made from other sources is refused. */
const ROOMS = ["reference", "kernels", "fixtures", "tests/mutation", "tests/blind", "tests/reference"];

/**
 * Does the pieces that no record holds.
 *
 * @param recorded the task, its pieces and its options
 * @param run does pieces; it calls `done` with each result and the place of its piece among those that it was given
 * @returns the results in the order of the pieces; null if this was a part, and others are missing
 * @throws {InputError} if a record is one of another task, or was made from other sources
 */
export async function recorded<Work, Result>(
  { task, pieces, read, tell = (text) => say(text, "stderr") }: Recorded<Work>,
  run: (works: readonly Work[], done: (result: Result, place: number) => void) => Promise<void>,
): Promise<Result[] | null> {
  const shard = readShard(read.text("shard", "1/1")), files = read.texts("record");
  requireInput(shard.count === 1 || files.length > 0, () => "--shard needs --record with it.");
  const head: Head = { task, sources: await hashOfSources() };
  const known = new Map<string, unknown>();
  for (const [i, file] of files.entries()) {
    readRecord(file, { head, isOld: read.flag("old-records"), known, begins: i === 0 });
  }
  const left = pieces.filter(({ key }, i) => !known.has(key) && i % shard.count === shard.index - 1);
  if (files.length > 0) {
    tell(`${left.length} of ${pieces.length} pieces are to be run.`);
  }
  await run(left.map(({ work }) => work), (result, place) => {
    known.set(left[place].key, result);
    if (files.length > 0) append(files[0], { key: left[place].key, result });
  });
  const missing = pieces.filter(({ key }) => !known.has(key)).length;
  if (missing === 0) return pieces.map(({ key }) => known.get(key) as Result);
  tell(
    `${missing} of ${pieces.length} pieces are in other parts; all records, without --shard, make the page.`,
  );
  return null;
}

/** The first line of a record. */
interface Head {
  readonly task: string;
  readonly sources: string;
}

/**
 * Reads the results of a record that is there, or begins one. Nothing in it is ever rewritten, as another process may
 * write there, too: a line that was cut is passed over, and what comes next begins a new one.
 */
function readRecord(
  file: string,
  { head, isOld, known, begins }: {
    readonly head: Head;
    readonly isOld: boolean;
    readonly known: Map<string, unknown>;
    /** Whether results go there: it may be missing, or end within a line. */
    readonly begins: boolean;
  },
): void {
  const text = textOf(file, begins),
    [first, ...lines] = text.split("\n").filter((line) => line !== "").map(parsed);
  if (begins && text === "") return append(file, head);
  const { task, sources } = (first ?? {}) as Partial<Head>;
  requireInput(
    task === head.task,
    () =>
      `${file} is no record of \`deno task ${head.task}\`${task ? `, but of \`deno task ${task}\`` : ""}.`,
  );
  requireInput(
    sources === head.sources || isOld,
    () => `${file} was made from other sources: remove it, or take it as it is with --old-records.`,
  );
  for (const line of lines) {
    const { key, result } = (line ?? {}) as { readonly key?: string; readonly result?: unknown };
    if (key !== undefined) known.set(key, result);
  }
  if (begins && !text.endsWith("\n")) Deno.writeTextFileSync(file, "\n", { append: true });
}

function textOf(file: string, begins: boolean): string {
  try {
    return readTextSync(file);
  } catch (error) {
    if (begins && error instanceof Deno.errors.NotFound) return "";
    throw new InputError(`${file} cannot be read as a record: ${(error as Error).message}`);
  }
}

/** A line of a record; undefined if it was cut. Numbers that JSON does not know are texts in an object. */
function parsed(line: string): unknown {
  try {
    return JSON.parse(line, (_, value) => value?.$number === undefined ? value : Number(value.$number));
  } catch {
    return undefined;
  }
}

function append(file: string, line: unknown): void {
  const text = JSON.stringify(
    line,
    (_, value) => typeof value === "number" && !Number.isFinite(value) ? { $number: String(value) } : value,
  );
  Deno.writeTextFileSync(file, `${text}\n`, { append: true });
}

/** The SHA-256 of all sources that results follow from, but not of data, which have hashes of their own. */
async function hashOfSources(): Promise<string> {
  const texts: string[] = [];
  for (const room of ROOMS) await collect(new URL(`${room}/`, ROOT), texts);
  return (await sha256(texts.sort().join("\0"))).slice(0, 16);
}

async function collect(folder: URL, texts: string[]): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (name === "data" || name.startsWith(".")) continue;
    if (isDirectory) await collect(new URL(`${name}/`, folder), texts);
    else if (/\.(ts|json|py|c|h|wgsl)$/.test(name)) {
      const at = new URL(name, folder);
      texts.push(`${at.href.slice(ROOT.href.length)}\n${await Deno.readTextFile(at)}`);
    }
  }
}
