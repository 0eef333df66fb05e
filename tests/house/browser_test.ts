/** The doors of the project and of the reference are bundled as a web program would, and run in Chromium. */
import * as esbuild from "esbuild";
import { assert, assertEquals } from "../support/assert.ts";
import { findChromium, NO_CHROMIUM, SOFTWARE_WEBGPU, startChromium } from "../support/chromium.ts";
import { serveFolder } from "../support/serve.ts";
import { drawn } from "../support/seed.ts";
import { testWith } from "../support/skip.ts";

const ROOT = new URL("../../", import.meta.url);

/** The result of the page: the reference's output, and the kernels' on the browser's own WebGPU. */
const PROGRAM = `
import { psa, seededRandom } from "${new URL("reference/mod.ts", ROOT).pathname}";
import { createPsa, openGpu } from "${new URL("mod.ts", ROOT).pathname}";
const random = seededRandom(3), shape = [1, 1, 64, 16];
const make = () => ({ data: Float32Array.from({ length: 64 * 16 }, () => random.normal()), shape });
const qkv = { q: make(), k: make(), v: make() };
const assignment = { mode: "density", density: 0.5 }, importance = { kind: "pooled" };
const config = { blockM: 32, blockN: 16, tile: 16, importance, assignment };
globalThis.referenceOut = () => [...psa(qkv, config).out.data];
globalThis.kernelOut = async () => {
  const gpu = await openGpu();
  const sizes = { batch: 1, heads: 1, kvHeads: 1, seqQ: 64, seqK: 64, headDim: 16, valueDim: 16 };
  const pipeline = await createPsa(gpu, { shape: sizes, config });
  const { out } = await pipeline.forward(qkv);
  return [...out.data];
};`;

/** Bundles the program with each tool into a folder of its own. */
async function bundle(tool: "deno" | "esbuild", folder: string): Promise<void> {
  await Deno.writeTextFile(`${folder}/program.ts`, PROGRAM);
  await Deno.writeTextFile(
    `${folder}/index.html`,
    '<!doctype html><script type="module" src="bundle.js"></script>',
  );
  if (tool === "esbuild") {
    const options = { bundle: true, format: "esm", platform: "browser", logLevel: "silent" } as const;
    await esbuild.build({
      ...options,
      entryPoints: [`${folder}/program.ts`],
      outfile: `${folder}/bundle.js`,
    });
    await esbuild.stop();
    return;
  }
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--platform", "browser", "-o", `${folder}/bundle.js`, `${folder}/program.ts`],
    cwd: ROOT,
  }).output();
  assert(success, new TextDecoder().decode(stderr));
}

/** Relative L2 distance. */
function distance(got: readonly number[], want: readonly number[]): number {
  const sum2 = (of: (i: number) => number) => want.reduce((sum, _, i) => sum + of(i) ** 2, 0);
  return Math.sqrt(sum2((i) => got[i] - want[i]) / sum2((i) => want[i]));
}

const path = await findChromium();

/** Compiling the kernels takes half a minute there: each commit draws the bundle that runs them; PSA_LONG=1 runs both. */
const TOOLS = ["deno", "esbuild"] as const;
const runsKernels = (tool: typeof TOOLS[number]) => drawn(TOOLS.indexOf(tool), 2);

for (const tool of TOOLS) {
  testWith({ here: path !== null, lack: NO_CHROMIUM }, {
    name: `browser: the doors bundled by ${tool} run in Chromium${
      runsKernels(tool) ? ", the kernels in its software WebGPU" : ""
    }`,
    sanitizeOps: false, // the browser's own process and sockets close a little after `close` resolves
    sanitizeResources: false,
    async fn() {
      const folder = await Deno.makeTempDir();
      await using served = serveFolder(new URL(`file://${folder}/`));
      try {
        await bundle(tool, folder);
        const browser = await startChromium(path!, SOFTWARE_WEBGPU);
        try {
          const page = await browser.newPage(), errors: unknown[] = [];
          page.on("pageerror", (error) => errors.push(error));
          await page.goto(`${served.url}index.html`);
          const want = await page.evaluate("referenceOut()") as number[];
          const got = runsKernels(tool) ? await page.evaluate("kernelOut()") as number[] : want;
          assertEquals(errors, []);
          assertEquals([want.length, got.length], [64 * 16, 64 * 16]);
          assert(
            distance(got, want) < 1e-5,
            `The kernels' output is ${distance(got, want)} from the reference.`,
          );
        } finally {
          await browser.close();
        }
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}
