import config from "../../deno.json" with { type: "json" };
import { assert, assertEquals } from "../support/assert.ts";
import { serveFolder } from "../support/serve.ts";

const ROOT = new URL("../../", import.meta.url);

/** Proofs that a door is open: something of the room behind it is used. */
const USES: Readonly<Record<string, string>> = {
  ".":
    "[door.METHODS.length > 9, door.makeWorkload('gaussian', { seqQ: 8, headDim: 8 }).qkv.q.shape[2] === 8]",
  "./reference":
    "[door.denseAttention({ q: one, k: one, v: one }).out.data[7] === 1, typeof door.psa === 'function']",
  "./kernels": "[typeof door.createPsa === 'function', typeof door.openGpu === 'function']",
  "./conformance": "[door.suiteCases('smoke').length > 9, typeof door.judgeOutputs === 'function']",
  "./cli": "[typeof door === 'object']",
};

/** A program that comes through a door and uses what is behind it. */
function programOf(name: string, address: string): string {
  return [
    `import * as door from ${JSON.stringify(address)};`,
    "const one = { data: new Float64Array(8).fill(1), shape: [1, 1, 1, 8] };",
    `void one; console.log(JSON.stringify(${USES[name]}));`,
  ].join("\n");
}

/** Runs a program in a folder of its own, with no configuration and only the permissions that are given. */
async function runAlone(program: string, permissions: readonly string[]): Promise<string> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/program.ts`, program);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--no-config", "--no-lock", "--no-check", ...permissions, "program.ts"],
      cwd: folder,
      env: { DENO_NO_UPDATE_CHECK: "1" },
    }).output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
    assertEquals(code, 0, decode(stderr));
    return decode(stdout);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("doors: each is known to these tests", () => {
  assertEquals(Object.keys(config.exports).toSorted(), Object.keys(USES).toSorted());
});

for (const [name, path] of Object.entries(config.exports)) {
  Deno.test(`doors: ${name} opens alone, from another folder, with no permission`, async () => {
    const said = await runAlone(programOf(name, new URL(path, ROOT).href), []);
    assertEquals(new Set(JSON.parse(said)), new Set([true]));
  });

  Deno.test(`doors: ${name} opens by URL, with no permission but to import from there`, async () => {
    await using served = serveFolder(ROOT);
    const program = programOf(name, new URL(path, served.url).href);
    const said = await runAlone(program, [`--allow-import=${served.host}`, `--reload=${served.url}`]);
    assertEquals(new Set(JSON.parse(said)), new Set([true]));
    const data = served.asked.filter((asked) => !/\.(ts|wgsl|css|js)$|^deno.json$/.test(asked));
    assertEquals(data, [], "nothing but code is fetched");
  });
}

Deno.test("doors: a trace is read from where the package came from, once that is allowed", async () => {
  await using served = serveFolder(ROOT);
  const traces = JSON.stringify(`${served.url}fixtures/traces.ts`);
  const program = `import { DEFAULT_TRACES, loadTrace } from ${traces};
    const { name, qkv } = await loadTrace(DEFAULT_TRACES[0]);
    const lost = await loadTrace(DEFAULT_TRACES[0] + "x").catch((error) => error);
    console.log(name, qkv.q.shape.join(), lost.name, lost.message);`;
  const permissions = [`--allow-import=${served.host}`, `--allow-net=${served.host}`];
  const said = await runAlone(program, permissions);
  assert(said.startsWith("trace-a-layer4 1,2,4096,64 InputError http"), said);
  assert(said.endsWith("safetensorsx cannot be read: the server says 404 Not Found."), said);
});
