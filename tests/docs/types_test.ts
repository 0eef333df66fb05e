/** Types are checked here, once for all code and all examples, and not by `deno test`, which would check each graph again. */
import { assertEquals } from "../support/assert.ts";
import { runDeno } from "../support/package.ts";

Deno.test("types: all files, all examples in comments and all on pages pass the type checker", async () => {
  const { code, stderr } = await runDeno(["check", "--quiet", "--doc", ".", "README.md", "docs"]);
  assertEquals([code, stderr], [0, ""]);
});
