/** The page on reliability names only tests that exist. */
import config from "../../deno.json" with { type: "json" };
import { assert, assertEquals } from "../support/assert.ts";

const PAGE = new URL("../../docs/reliability.md", import.meta.url);
const page = await Deno.readTextFile(PAGE);

Deno.test("reliability: every row of faults names a test, which is in its file", async () => {
  const rows = page.split("\n").filter((line) => /\.\.\/tests\//.test(line));
  assert(rows.length > 25, `${rows.length} rows`);
  for (const row of rows) {
    const [, path, name] = /\]\((\.\.\/tests\/[^)]+)\) "([^"]+)"\s*\|$/.exec(row) ?? [];
    assert(path !== undefined, `no test in ${row}`);
    const text = await Deno.readTextFile(new URL(path, PAGE));
    const quoted = ['"', "`"].some((quote) => text.includes(`${quote}${name}`));
    assert(quoted, `${path} has no test whose name begins with ${name}`);
  }
});

Deno.test("reliability: packages are listed in the versions that are used", () => {
  for (const [name, from] of Object.entries(config.imports)) {
    const [, listed, version] = /^npm:((?:@[^/]+\/)?[^@/]+)@([\d.]+)/.exec(from) ?? [];
    assert(page.includes(`${listed} ${version}`), `${name}: ${listed} ${version} is not on the page`);
  }
  assertEquals(config.nodeModulesDir, "auto");
});
