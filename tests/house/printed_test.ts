/** The values that examples print are compared with their comments (tests/support/examples.ts). */
import { examplesOf, runExample } from "../support/examples.ts";
import { agrees } from "../support/printed.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";

Deno.test("examples: a comment agrees with the value, alone or before a colon", () => {
  for (
    const [printed, comment] of [
      ["[ 1, 2 ]", "[1, 2]"],
      ["Float64Array(2) [ 1, 2 ]", "Float64Array [1, 2]: both"],
      ['{ a: 1, b: "x" }', "{ a: 1, b: 'x' }"],
      ["0.21", "between 0.2 and 0.25"],
      ["0.4567", "about 0.46"],
      ["a\nb", "a\\nb"],
    ]
  ) assert(agrees(printed, comment), `${printed} and ${comment}`);
  for (
    const [printed, comment] of [
      ["[ 1, 2 ]", "[1, 3]"],
      ["1", "12"],
      ["0.3", "between 0.2 and 0.25"],
      ["0.4567", "about 0.45"],
      ["true", "false"],
    ]
  ) assert(!agrees(printed, comment), `${printed} and ${comment}`);
});

/** A page with one example. */
const page = (...lines: string[]) =>
  ["# Text", "", "```ts", ...lines, "```", "", "```sh", "ls", "```"].join("\n");

/** Runs the one example of a page. */
async function run(...lines: string[]): Promise<void> {
  const [example, ...others] = examplesOf(page(...lines), import.meta.url), folder = await Deno.makeTempDir();
  assertEquals(others, []);
  try {
    await runExample(example, `${folder}/example.ts`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("examples: one that prints what its comments say passes, in loops and behind imports too", async () => {
  await run("const a = 3;", "console.log(a + 1); // 4");
  await run("for (const _ of [1, 2]) console.log(7); // 7", "console.log(8);", "// 8: on the line below");
  await run(
    'import { agrees } from "../support/printed.ts";',
    "import {",
    "  assert,",
    '} from "../support/assert.ts";',
    'assert(agrees("1", "1"));',
    "console.log(Object.keys(await import('../support/printed.ts')).includes('agrees')); // true",
  );
});

Deno.test("examples: one that prints something else than its comment says fails, and so does one without", async () => {
  await assertRejects(
    () => run("console.log(4); // 5"),
    Error,
    "it prints 4, its comment says 5",
  );
  await assertRejects(() => run("console.log(4);"), Error, "it prints 4: say so in a comment");
  await assertRejects(() => run("console.log(1); // 1", "console.log(2); // 3"), Error, "it prints 2");
  await assertRejects(() => run('throw new Error("broken");'), Error, "broken");
});

Deno.test("examples: of a comment, the code without its stars; of a page, no other language", () => {
  const fence = "```",
    comment = ["/**", " * Text", ` * ${fence}ts`, " * a();", " *", " *   b();", ` * ${fence}`, " */"];
  const found = examplesOf([page("c();"), ...comment].join("\n"), "file:///x.ts");
  assertEquals(found.map(({ line, code }) => [line, ...code]), [[4, "c();"], [13, "a();", "", "  b();"]]);
});
