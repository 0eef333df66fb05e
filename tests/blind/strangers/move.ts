/**
 * A stranger's move: what somebody does who has read no documentation, and what has to come of it. Moves that fail
 * today stand in expected_failures.json; the list has to be true, so a move that begins to hold has to leave it.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { ROOT } from "../mistakes/kernel.ts";
import { TemporaryFolder } from "../../support/command.ts";

const LISTED: { readonly moves: Readonly<Record<string, string>> } = JSON.parse(
  await Deno.readTextFile(new URL("expected_failures.json", import.meta.url)),
);

/**
 * Registers a move as a test.
 *
 * @param name what the stranger does; the name in the list
 * @param body throws unless what has to come of it comes
 */
export function move(name: string, body: (folder: TemporaryFolder) => Promise<void>): void {
  const listed = Object.hasOwn(LISTED.moves, name);
  Deno.test(`stranger: ${name}`, async () => {
    await using folder = new TemporaryFolder();
    let failure: unknown;
    try {
      await body(folder);
    } catch (error) {
      failure = error;
    }
    if (!listed && failure !== undefined) throw failure;
    assert(!listed || failure !== undefined, `"${name}" holds now; take it out of expected_failures.json`);
    if (listed) console.log(`fails as listed: ${String(failure).split("\n")[0].slice(0, 160)}`);
  });
}

/** The result of a process; `late` if it had to be killed. */
export interface Done {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly late: boolean;
  readonly seconds: number;
}

/** How a command is run. */
export interface RunOptions {
  /** Seconds after which it and all that it started are killed; default 60. */
  readonly limit?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Called with the process's number once it runs. */
  readonly meanwhile?: (pid: number) => Promise<void>;
}

/** Runs a program in a group of its own. */
export async function program(
  name: string,
  args: readonly string[],
  { limit = 60, env = {}, meanwhile }: RunOptions = {},
): Promise<Done> {
  const started = performance.now();
  const child = new Deno.Command("setsid", {
    args: [name, ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1", XDG_RUNTIME_DIR: "/tmp", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    new Deno.Command("kill", { args: ["-KILL", "--", `-${child.pid}`], stderr: "null" }).outputSync();
  }, limit * 1000);
  const output = child.output();
  try {
    await meanwhile?.(child.pid);
  } finally {
    const { code } = await output;
    clearTimeout(timer);
    void code;
  }
  const { code, stdout, stderr } = await output,
    decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const seconds = (performance.now() - started) / 1000;
  return { code, stdout: decode(stdout), stderr: decode(stderr), late, seconds };
}

/** Runs a task of the project. */
export function task(words: readonly string[], options: RunOptions = {}): Promise<Done> {
  return program(Deno.execPath(), ["task", "-q", ...words], options);
}

/** Asserts an exit code and a message that matches, without a stack trace. */
export function assertCame(done: Done, code: number, says?: RegExp): void {
  const text = `${done.stdout}\n${done.stderr}`;
  assert(!done.late, `it did not end in ${done.seconds.toFixed(0)} s`);
  assertEquals(done.code, code, text.slice(0, 600));
  if (says !== undefined) assert(says.test(text), `nothing says ${says}: ${text.slice(0, 600)}`);
  assert(!/^ {4}at .*:\d+:\d+/m.test(text), `a stack trace: ${text.slice(0, 600)}`);
}

/** Refused: exit code 2, and a sentence of at most 300 characters. */
export function assertRefused(done: Done, says: RegExp): void {
  assertCame(done, 2, says);
  const longest = Math.max(...done.stderr.trimEnd().split("\n").map((line) => line.length));
  assert(longest <= 300, `a sentence of ${longest} characters`);
}
