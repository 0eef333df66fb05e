/**
 * The test files of the project in few modules, for `deno task test`. A module of tests is a thread that loads all that it
 * imports: with one for each file, a quarter of all time went into that.
 *
 * @module
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/**
 * Files that take longest, each a module of its own. They begin when the groups have, the shortest last, so that all cores
 * have work until the end.
 */
export const LONG: readonly string[] = [
  "tests/house/browser_test.ts",
  "tests/docs/types_test.ts",
  "tests/fixtures/conformance/captures/released_test.ts",
  "tests/mutation/gpu/wgsl_mutants_test.ts",
  "tests/fixtures/conformance/captures/command_test.ts",
  "tests/blind/mistakes/mistakes_test.ts",
  "tests/bench/sweep/truth/truth_test.ts",
  "tests/kernels/random_shapes_test.ts",
  "tests/docs/doors_test.ts",
  "tests/bench/gpu/bench_test.ts",
  "tests/bench/claim/claim_test.ts",
  "tests/bench/options/model_test.ts",
  "tests/reference/methods/expected_test.ts",
  "tests/blind/mistakes/numpy_test.ts",
  "tests/bench/cli/stop_test.ts",
];

/** The most files of a group, and the least that an area has before it gets a group of its own. */
const MOST = 16, LEAST = 6;

/** Test files that run in one thread. */
export interface TestGroup {
  /** The area that they are from, or the file's name without its ending where it is alone. */
  readonly name: string;
  /** Their paths from the root of the project. */
  readonly files: readonly string[];
}

/** The area of a test file: its folder under tests/. */
const areaOf = (file: string) => /^tests\/([^/]+)\//.exec(file)?.[1] ?? "";

/**
 * Parts of a list that differ by one in length at most, in order.
 *
 * @param list the list
 * @param most the most that a part may have
 */
function parts<T>(list: readonly T[], most: number): T[][] {
  const count = Math.ceil(list.length / most), at = (i: number) => Math.round(i * list.length / count);
  return Array.from({ length: count }, (_, i) => list.slice(at(i), at(i + 1)));
}

/**
 * Sorts test files into groups of one area each; small areas share one, and the long files stand alone at the end.
 *
 * @param files paths from the root of the project
 *
 * @example
 * ```ts
 * import { groupsOf } from "./groups.ts";
 * const files = ["tests/docs/types_test.ts", "tests/fuzz/fuzz_test.ts", "tests/soak/soak_test.ts"];
 * console.log(groupsOf(files).map(({ name }) => name)); // [ "others", "types" ]
 * ```
 */
export function groupsOf(files: readonly string[]): TestGroup[] {
  const areas = new Map<string, string[]>();
  for (const file of files.toSorted()) {
    if (!LONG.includes(file)) areas.set(areaOf(file), [...areas.get(areaOf(file)) ?? [], file]);
  }
  const others = [...areas].filter(([, own]) => own.length < LEAST);
  for (const [area] of others) areas.delete(area);
  if (others.length > 0) areas.set("others", others.flatMap(([, own]) => own));
  return [
    ...[...areas].flatMap(([area, own]) =>
      parts(own, MOST).map((files, i, all) => ({ name: all.length > 1 ? `${area}_${i + 1}` : area, files }))
    ),
    ...LONG.filter((file) => files.includes(file)).map((file) => ({
      name: file.replace(/^.*\/|_test\.ts$/g, ""),
      files: [file],
    })),
  ];
}

/** The test files under a folder, as paths from the root of the project. */
export function testFiles(root: string, { under = "", ignore = [] }: {
  readonly under?: string;
  readonly ignore?: readonly string[];
} = {}): string[] {
  return [...Deno.readDirSync(join(root, under))].flatMap(({ name, isDirectory }) => {
    const path = under === "" ? name : `${under}/${name}`;
    if (ignore.includes(path) || name === "node_modules" || name.startsWith(".")) return [];
    if (isDirectory) return testFiles(root, { under: path, ignore });
    return name.endsWith("_test.ts") ? [path] : [];
  });
}

/**
 * Writes a module for each group into a folder.
 *
 * @param groups the groups
 * @param root the root of the project
 * @param folder where they go
 * @returns the paths of the modules, in the order of the groups
 */
export function writeGroups(groups: readonly TestGroup[], root: string, folder: string): string[] {
  return groups.map(({ name, files }) => {
    const path = join(folder, `${name}_test.ts`);
    const imports = files.map((file) => `import ${JSON.stringify(pathToFileURL(join(root, file)).href)};\n`);
    Deno.writeTextFileSync(path, imports.join(""));
    return path;
  });
}
