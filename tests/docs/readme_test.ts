import { assertEquals, assertMatch } from "../support/assert.ts";

const ROOT = new URL("../../", import.meta.url);
const readme = await Deno.readTextFile(new URL("README.md", ROOT));

const examples = [...readme.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code);

Deno.test("readme: three examples say what they print; tests of documentation run them and compare it", () => {
  assertEquals(examples.length, 3);
  for (const code of examples) assertMatch(code, /console\.log\(.*\); \/\/ \d|\/\/ \[/);
});

Deno.test("docs: every file that a page points to is there", async () => {
  const pages = ["README.md", "CONTRIBUTING.md", "bench/README.md"];
  for await (const { name } of Deno.readDir(new URL("docs/", ROOT))) {
    if (name.endsWith(".md")) pages.push(`docs/${name}`);
  }
  const missing: string[] = [];
  for (const page of pages) {
    const text = await Deno.readTextFile(new URL(page, ROOT));
    for (const [, target] of text.matchAll(/\]\(([^)#\s]+)/g)) {
      if (/^https?:/.test(target)) continue;
      const there = await Deno.stat(new URL(target, new URL(page, ROOT))).then(() => true, () => false);
      if (!there) missing.push(`${page}: ${target}`);
    }
  }
  assertEquals(missing, []);
});
