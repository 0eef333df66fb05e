import { assertEquals, assertMatch } from "../support/assert.ts";
import { brokenRules, readProject } from "./rules.ts";

const file = (path: string, text: string) => ({ path, text });

Deno.test("rules: the project keeps them", async () => {
  assertEquals(brokenRules(await readProject(new URL("../../", import.meta.url).pathname)), []);
});

Deno.test("rules: an import that leads where it may not is named, types only where they are allowed", () => {
  const faults = (path: string, text: string) => brokenRules([file(path, text)]);
  assertMatch(
    faults("reference/a.ts", 'import { x } from "../kernels/b.ts";')[0],
    /^reference\/a.ts imports kernels\/b.ts/,
  );
  assertMatch(faults("kernels/a.ts", 'export { x } from "../fixtures/b.ts";')[0], /imports fixtures\/b.ts/);
  assertMatch(faults("bench/a.ts", 'import x from "../tests/b.ts";')[0], /imports tests\/b.ts/);
  assertMatch(
    faults("fixtures/a.ts", 'import { type X, y } from "../kernels/b.ts";')[0],
    /imports kernels\/b.ts/,
  );
  assertEquals(faults("fixtures/a.ts", 'import { type X } from "../kernels/b.ts";'), []);
  assertEquals(faults("fixtures/a.ts", 'import type { X } from "../kernels/b.ts";'), []);
  assertEquals(faults("tests/a.ts", 'import { x } from "../bench/b.ts";'), []);
});

Deno.test("rules: imports in comments are examples", () => {
  assertEquals(
    brokenRules([
      file("reference/a.ts", '/**\n * import { x } from "../bench/b.ts";\n */\n// import "../x/y.ts";'),
    ]),
    [],
  );
});

Deno.test("rules: circles are shown whole, also of three files and of types", () => {
  const circle = brokenRules([
    file("kernels/a.ts", 'import "./b.ts";'),
    file("kernels/b.ts", 'import type { C } from "./c.ts";'),
    file("kernels/c.ts", 'import {\n  a,\n} from "./a.ts";'),
  ]);
  assertEquals(circle, [
    "kernels/a.ts -> kernels/b.ts -> kernels/c.ts -> kernels/a.ts is a circle of imports.",
  ]);
});

Deno.test("rules: long files, and what browsers lack", () => {
  assertMatch(brokenRules([file("bench/a.ts", "//\n".repeat(301))])[0], /has 301 lines/);
  assertEquals(brokenRules([file("docs/claim.md", "x\n".repeat(400))]), []);
  assertMatch(brokenRules([file("kernels/a.ts", "const f = new Function('x');")])[0], /makes code from text/);
  assertMatch(brokenRules([file("reference/a.ts", "Deno.cwd();")])[0], /Deno's own API/);
  assertMatch(
    brokenRules([file("reference/a.ts", 'import { join } from "node:path";')])[0],
    /module of Node/,
  );
});
