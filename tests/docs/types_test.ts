/** The examples of the documentation pass the type checker, which `deno test` does not run on them. */
import { assertEquals } from "../support/assert.ts";
import { runDeno } from "../support/package.ts";

Deno.test("examples: all have right types, in comments and on pages", async () => {
  const { code, stderr } = await runDeno(["check", "--quiet", "--doc-only", "."]);
  assertEquals([code, stderr], [0, ""]);
});
