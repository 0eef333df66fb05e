/**
 * The rules of the rooms, proved over all files: who may import whom, no circles, no file too long to read, nothing in
 * `reference/` and `kernels/` that a browser lacks. `deno task check` runs it.
 *
 * @module
 */
import { posix } from "node:path";
import { fileURLToPath } from "node:url";

/** A file of the project: its path from the root, with `/`, and its text. */
export interface SourceFile {
  /** The path. */
  readonly path: string;
  /** The text. */
  readonly text: string;
}

/** Which rooms the files of a room may import; its own always. Files at the root are doors. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  reference: [],
  kernels: ["reference"],
  fixtures: ["reference"],
  bench: ["reference", "kernels", "fixtures", ""],
  tests: ["reference", "kernels", "fixtures", "bench", "docs", ""],
  "": ["reference", "kernels", "fixtures"],
};
/** Rooms that another may import types from, and nothing else. */
const TYPES_ONLY: Readonly<Record<string, readonly string[]>> = { fixtures: ["kernels"] };
/** Lines that a file may have. */
const MOST_LINES = 300;
/** Files that a task writes: nobody reads them from top to bottom. */
const GENERATED = [
  /^docs\/(claim|kill-matrix|kill-matrix-gpu|mutations|departures|blind)\.md$/,
  /\.schema\.json$/,
  /^deno\.lock$/,
];
/** Names that `reference/` and `kernels/` may not use, and why. */
const FORBIDDEN: readonly (readonly [RegExp, string])[] = [
  [/\bDeno\.\w/, "uses Deno's own API; it should run in browsers"],
  [/from "node:/, "imports a module of Node; it should run in browsers"],
  [/\bnew Function\b|\beval\(/, "makes code from text; a content policy may forbid it"],
];

/** An import of a file: where it leads, and whether it takes types alone. */
interface Import {
  readonly to: string;
  readonly typesOnly: boolean;
}

/** The text without comments, so that examples in them are no imports. */
function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
}

/** The relative imports and re-exports of a file. */
function importsOf({ path, text }: SourceFile): Import[] {
  const statements = withoutComments(text).matchAll(
    /^(?:import|export)\s+(type\s+)?([^;"'=()]*?)(?:\s*from\s*)?["'](\.{1,2}\/[^"']+)["']/gm,
  );
  return [...statements].map(([, type, names, target]) => {
    const listed = names.match(/^\{([\s\S]*)\}$/)?.[1].split(",").map((name) => name.trim()).filter(Boolean);
    const typesOnly = type !== undefined ||
      (listed !== undefined && listed.every((name) => name.startsWith("type ")));
    return { to: posix.normalize(posix.join(posix.dirname(path), target)), typesOnly };
  });
}

/** The room of a file; "" for those at the root. */
function roomOf(path: string): string {
  return path.includes("/") ? path.slice(0, path.indexOf("/")) : "";
}

/** Sentences about imports that lead where they may not. */
function strangers(file: SourceFile): string[] {
  const room = roomOf(file.path);
  return importsOf(file).flatMap(({ to, typesOnly }) => {
    const other = roomOf(to);
    if (other === room || ALLOWED[room]?.includes(other)) return [];
    if (typesOnly && TYPES_ONLY[room]?.includes(other)) return [];
    return [
      `${file.path} imports ${to}; ${room || "a door"} may import ${
        (ALLOWED[room] ?? []).join(", ") || "nothing outside"
      }.`,
    ];
  });
}

/** One circle of imports that reaches back to its start for every file that is on one; types count too. */
function circles(files: readonly SourceFile[]): string[] {
  const graph = new Map(files.map((file) => [file.path, importsOf(file).map(({ to }) => to)]));
  const state = new Map<string, "open" | "done">(), found: string[] = [];
  const visit = (path: string, way: readonly string[]): void => {
    if (state.get(path) === "done" || !graph.has(path)) return;
    if (state.get(path) === "open") {
      found.push(`${[...way.slice(way.indexOf(path)), path].join(" -> ")} is a circle of imports.`);
      return;
    }
    state.set(path, "open");
    for (const to of graph.get(path)!) visit(to, [...way, path]);
    state.set(path, "done");
  };
  for (const { path } of files) visit(path, []);
  return found;
}

/** Sentences about what a file is, not whom it imports. */
function ownFaults({ path, text }: SourceFile): string[] {
  const lines = text.trimEnd().split("\n").length, room = roomOf(path);
  const long = lines > MOST_LINES && !GENERATED.some((pattern) => pattern.test(path))
    ? [`${path} has ${lines} lines; a file should have at most ${MOST_LINES}.`]
    : [];
  if (!path.endsWith(".ts") || (room !== "reference" && room !== "kernels")) return long;
  const code = withoutComments(text);
  return [...long, ...FORBIDDEN.flatMap(([pattern, why]) => pattern.test(code) ? [`${path} ${why}.`] : [])];
}

/**
 * Breaches of the rules, a sentence each.
 *
 * @param files all files of the project that are text
 */
export function brokenRules(files: readonly SourceFile[]): string[] {
  const code = files.filter(({ path }) => path.endsWith(".ts"));
  return [...code.flatMap(strangers), ...circles(code), ...files.flatMap(ownFaults)];
}

/** Reads the files of the project. */
export async function readProject(root: string): Promise<SourceFile[]> {
  const files: SourceFile[] = [];
  const walk = async (folder: string): Promise<void> => {
    for await (const { name, isDirectory, isFile } of Deno.readDir(`${root}${folder}`)) {
      const path = `${folder}${name}`;
      if (
        /^(\.|node_modules$|results$|cov$)/.test(name) || path === "fixtures/data" || path === "docs/pictures"
      ) continue;
      if (isDirectory) await walk(`${path}/`);
      else if (isFile && /\.(ts|wgsl|md|css|js|py|c)$/.test(name)) {
        files.push({ path, text: await Deno.readTextFile(`${root}${path}`) });
      }
    }
  };
  await walk("");
  return files.sort((a, b) => a.path < b.path ? -1 : 1);
}

if (import.meta.main) {
  const broken = brokenRules(await readProject(fileURLToPath(new URL("../../", import.meta.url))));
  broken.forEach((sentence) => console.error(sentence));
  if (broken.length > 0) Deno.exit(1);
}
