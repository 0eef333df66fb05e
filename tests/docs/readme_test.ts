import { assert, assertEquals } from "../support/assert.ts";

const ROOT = new URL("../../", import.meta.url);
const readme = await Deno.readTextFile(new URL("README.md", ROOT));

/** Runs a TypeScript example as a reader would: a file beside mod.ts. */
async function run(code: string): Promise<{ success: boolean; stdout: string; stderr: string }> {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(
      file,
      code.replaceAll('"@psa/harness"', JSON.stringify(new URL("mod.ts", ROOT).href)),
    );
    const config = new URL("deno.json", ROOT).pathname;
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--check", "--config", config, file],
    });
    const { success, stdout, stderr } = await command.output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { success, stdout: decode(stdout), stderr: decode(stderr) };
  } finally {
    await Deno.remove(file);
  }
}

const examples = [...readme.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code);

for (const [index, code] of examples.entries()) {
  Deno.test(`readme: example ${index + 1} runs and prints numbers`, async () => {
    const { success, stdout, stderr } = await run(code);
    assert(success, stderr);
    assert(/\d/.test(stdout), `It printed "${stdout}".`);
    assertEquals(stdout.includes("NaN"), false, stdout);
  });
}

Deno.test("readme: has two examples", () => assertEquals(examples.length, 2));

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
