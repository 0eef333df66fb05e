/** The values that examples print are compared with their comments (tests/support/printed.ts). */
import { fileURLToPath } from "node:url";
import { agrees } from "../support/printed.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";

const PRINTED = fileURLToPath(new URL("../support/printed.ts", import.meta.url));

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

Deno.test("examples: one that prints something else than its comment says fails, and so does one without", async () => {
  const folder = await Deno.makeTempDir();
  const example = (name: string, line: string) =>
    Deno.writeTextFile(
      `${folder}/${name}.md`,
      ["# Text", "", "```ts", "const a = 3;", line, "```", ""].join("\n"),
    );
  await example("right", "console.log(a + 1); // 4");
  await example("wrong", "console.log(a + 1); // 5");
  await example("silent", "console.log(a + 1);");
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--doc", "--no-config", `--preload=${PRINTED}`, folder],
    env: { NO_COLOR: "1" },
  }).output();
  await Deno.remove(folder, { recursive: true });
  const text = new TextDecoder().decode(stdout);
  assertEquals(code, 1);
  assertMatch(text, /1 passed .* 2 failed/);
  assertMatch(text, /an example prints 4, its comment says 5/);
  assertMatch(text, /an example prints 4: say so in a comment/);
});
