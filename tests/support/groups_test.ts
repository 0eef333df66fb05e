/** `deno task test` runs every test file once. */
import { globSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { assert, assertEquals } from "./assert.ts";
import { groupsOf, LONG, testFiles } from "./groups.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

Deno.test("groups: every test file is in one group, and those that are called long are there", () => {
  const strangers = "tests/blind/strangers", files = testFiles(ROOT, { ignore: [strangers] });
  const there = globSync("{bench,fixtures,kernels,reference,tests}/**/*_test.ts", { cwd: ROOT });
  const expected = there.filter((path) => !path.startsWith(`${strangers}/`)).toSorted();
  assertEquals(groupsOf(files).flatMap((group) => group.files).toSorted(), expected);
  assertEquals(LONG.filter((file) => !expected.includes(file)), []);
  const names = groupsOf(files).map(({ name }) => name);
  assertEquals(new Set(names).size, names.length, "each group has a module of its own");
});

Deno.test("groups: none is long, areas are not mixed, and small areas share one", () => {
  const make = (area: string, count: number) =>
    Array.from({ length: count }, (_, i) => `tests/${area}/${i}_test.ts`);
  const groups = groupsOf([...make("a", 40), ...make("b", 7), ...make("c", 1), ...make("d", 2), LONG[0]]);
  assertEquals(groups.map(({ files }) => files.length), [13, 14, 13, 7, 3, 1]);
  for (const { name, files } of groups.slice(0, 4)) {
    assert(files.every((file) => file.startsWith(`tests/${name[0]}/`)), name);
  }
});
