/**
 * Runs the examples of the documentation, each as a module of its own, and compares what they print with the comment
 * behind each `console.log`. `deno test --doc` would start a program for each example, which takes many times as long.
 *
 * @module
 */
import { fileURLToPath, pathToFileURL } from "node:url";
import { agrees } from "./printed.ts";

/** An example: its code, and where it stands. */
export interface Example {
  /** The address of the file that it stands in. */
  readonly file: string;
  /** The number of its first line. */
  readonly line: number;
  readonly code: readonly string[];
}

/**
 * The examples of a text: blocks that begin with a fence and `ts`, alone or in a comment.
 *
 * @param text the text of a file
 * @param file its address
 *
 * @example
 * ```ts
 * import { examplesOf } from "./examples.ts";
 * const fence = "`".repeat(3), text = `${fence}ts\nconst a = 1;\n${fence}`;
 * console.log(examplesOf(text, "file:///a.md")[0].code); // ["const a = 1;"]
 * ```
 */
export function examplesOf(text: string, file: string): Example[] {
  const found: Example[] = [];
  let open: { line: number; code: string[]; prefix: string } | undefined;
  for (const [i, line] of text.split("\n").entries()) {
    const [, prefix, fence, kind] = /^(\s*(?:\* ?)?)(```+)(.*)$/.exec(line) ?? [];
    if (open !== undefined) {
      if (fence && kind === "") {
        if (open.line > 0) found.push({ file, line: open.line, code: open.code });
        open = undefined;
      } else open.code.push(open.prefix.includes("*") ? line.replace(/^\s*\* ?/, "") : line);
    } else if (fence) open = { line: kind.trim() === "ts" ? i + 2 : 0, code: [], prefix };
  }
  return found;
}

/** The output of an example, line by line. */
class Printed {
  readonly #comments: (string | undefined)[];
  readonly problems: string[] = [];
  readonly #seen: string[] = [];

  constructor({ code }: Example) {
    this.#comments = code.flatMap((line, i) => line.includes("console.log(") ? [commentAt(code, i)] : []);
  }

  /** Takes what one `console.log` prints; a loop may come to the same one several times. */
  log(place: string, values: readonly unknown[]): void {
    if (!this.#seen.includes(place)) this.#seen.push(place);
    const comment = this.#comments[this.#seen.indexOf(place)];
    const printed = values.map((value) =>
      typeof value === "string"
        ? value
        : Deno.inspect(value, { depth: 9, iterableLimit: 1000, breakLength: 1e6 })
    ).join(" ");
    if (comment === undefined) {
      this.problems.push(`it prints ${printed}: say so in a comment behind it`);
    } else if (!agrees(printed, comment)) {
      this.problems.push(`it prints ${printed}, its comment says ${comment}`);
    }
  }
}

/** The comment behind the statement on a line, or alone on the line below it. */
function commentAt(code: readonly string[], at: number): string | undefined {
  return /; *\/\/ ?(.*)$/.exec(code[at])?.[1] ?? /^ *\/\/ ?(.*)$/.exec(code[at + 1] ?? "")?.[1];
}

const running = new Map<string, Printed>();

/**
 * The console of an example that runs.
 *
 * @param address the address of its module
 */
export function consoleOf(address: string): Pick<Console, "log" | "error" | "warn"> {
  const quiet = () => {};
  const log = (...values: unknown[]) => {
    const place = (new Error().stack ?? "").split("\n").find((line) => line.includes(address)) ?? "";
    running.get(address)?.log(place, values);
  };
  return { log, error: quiet, warn: quiet };
}

/** The code of an example as a module anywhere: addresses of what it imports are absolute, its console is compared. */
function moduleOf({ file, code }: Example): string {
  const imports = code.join("\n").replaceAll(
    /(\bfrom\s+|\bimport\s*\(\s*|^import\s+)(["'])(\.\.?\/[^"']+)\2/gm,
    (_, before, quote, path) => `${before}${quote}${new URL(path, file).href}${quote}`,
  );
  const support = JSON.stringify(import.meta.url);
  return `import { consoleOf } from ${support};\nconst console = consoleOf(import.meta.url);\n${imports}\nexport {};\n`;
}

/**
 * Runs an example.
 *
 * @param example its code
 * @param path where its module may be written
 * @throws {Error} if it fails, or prints something else than its comments say
 */
export async function runExample(example: Example, path: string): Promise<void> {
  await Deno.writeTextFile(path, moduleOf(example));
  const address = pathToFileURL(path).href, printed = new Printed(example);
  running.set(address, printed);
  try {
    await import(address);
  } finally {
    running.delete(address);
    await Deno.remove(path);
  }
  if (printed.problems.length > 0) throw new Error(printed.problems.join("; "));
}

/** The examples of all files of TypeScript and Markdown under a path. */
async function examplesUnder(path: string): Promise<Example[]> {
  const { isDirectory } = await Deno.stat(path);
  if (!isDirectory) return examplesOf(await Deno.readTextFile(path), pathToFileURL(path).href);
  const found: Example[] = [];
  for (const { name, isDirectory: folder } of Deno.readDirSync(path)) {
    if (name === "node_modules" || name === "data" || name.startsWith(".")) continue;
    if (folder || /\.(ts|md)$/.test(name)) found.push(...await examplesUnder(`${path}/${name}`));
  }
  return found;
}

/**
 * Registers a test for each example under some paths of the project.
 *
 * @param paths folders and files, from the top of the project
 */
export async function testExamples(paths: readonly string[]): Promise<void> {
  const root = fileURLToPath(new URL("../../", import.meta.url));
  const examples = (await Promise.all(paths.map((path) => examplesUnder(`${root}${path}`)))).flat();
  if (examples.length === 0) throw new Error(`there is no example in ${paths.join(", ")}`);
  for (const [i, example] of examples.entries()) {
    const name = `${example.file.slice(pathToFileURL(root).href.length)}:${example.line}`;
    Deno.test(`example: ${name}`, async () => {
      const folder = await Deno.makeTempDir();
      try {
        await runExample(example, `${folder}/example${i}.ts`);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    });
  }
}
