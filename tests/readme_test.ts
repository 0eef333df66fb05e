import { assert, assertEquals } from "./assert.ts";

const ROOT = new URL("../", import.meta.url);
const readme = await Deno.readTextFile(new URL("README.md", ROOT));

/** Runs a TypeScript example as a reader would: a file beside mod.ts. */
async function run(code: string): Promise<{ success: boolean; stdout: string; stderr: string }> {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(
      file,
      code.replaceAll('"./mod.ts"', JSON.stringify(new URL("mod.ts", ROOT).href)),
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

Deno.test("readme: has examples, and every file that it points to is there", async () => {
  assertEquals(examples.length, 2);
  const targets = [...readme.matchAll(/\]\(([^)#]+)/g)].map(([, target]) => target);
  for (const target of targets.filter((each) => !each.startsWith("http"))) {
    assert(await Deno.stat(new URL(target, ROOT)).then(() => true, () => false), `${target} is not there`);
  }
});
