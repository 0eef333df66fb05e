/** The string of a case of the sweep holds every option of its call. */
import { casesOf } from "../../../../bench/sweep/plan/cases.ts";
import { inputSources } from "../../../../bench/sweep/inputs/inputs.ts";
import { parseOptions } from "../../../../bench/sweep/options/options.ts";
import { variantsOf } from "../../../../bench/sweep/options/variants.ts";
import { orderConfigOf } from "../../../../fixtures/conformance/call.ts";
import { parseCase } from "../../../../fixtures/cases.ts";
import { sha256 } from "../../../../fixtures/sha256.ts";
import { makeWorkload, writeSafetensors } from "../../../../mod.ts";
import { METHODS } from "../../../../reference/methods/mod.ts";
import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "../../../support/assert.ts";
import { TemporaryFolder } from "../../../support/command.ts";

/** The cases of the first input of a command line. */
async function casesFor(...args: string[]) {
  const usual = ["--dim", "8", "--block-m", "16", "--block-n", "16", "--densities", ".5", "--no-gpu"];
  const [options] = variantsOf(parseOptions([...usual, ...args], METHODS.map(({ name }) => name)));
  const [source] = await inputSources(options), [input] = await source.load();
  return { input, cases: casesOf(input, options), names: casesOf(input, options).map(({ name }) => name) };
}

/** Writes the inputs of a call; the seed decides about their numbers. */
async function writeInput(path: string, seed = 1): Promise<Uint8Array> {
  const { qkv } = makeWorkload("video", { seqQ: 256, headDim: 8, dtype: "f32", seed });
  const bytes = writeSafetensors({ ...qkv });
  await Deno.writeFile(path, bytes);
  return bytes;
}

Deno.test("sweep cases: grid, boxes of the order, importance with its stride, and input are in the string", async () => {
  const { names: [tiled] } = await casesFor(
    ...["--workload", "video", "--seq", "256", "--order", "tile", "--importance", "antidiagonal"],
    ...["--grid", "4,8,8", "--methods", "psa"],
  );
  for (const word of ["grid=4x8x8", "order=tile", "box=4x4x4", "importance=antidiagonal", "stride=8"]) {
    assertStringIncludes(tiled, ` ${word} `);
  }
  const other = await casesFor(
    ...["--workload", "video", "--seq", "256", "--order", "tile", "--importance", "antidiagonal"],
    ...["--grid", "8,8,4", "--methods", "psa"],
  );
  assertNotEquals(other.names[0], tiled, "another grid is another call");
});

Deno.test("sweep cases: an order is the same in the sweep and in the conformance kit", async () => {
  const video = ["--workload", "video", "--seq", "256", "--grid", "4,8,8"];
  const asked = ["--order tile --methods psa", "--order gilbert --methods psa", "--methods sta"];
  for (const args of asked.map((text) => text.split(" "))) {
    const { cases } = await casesFor(...video, ...args);
    for (const { name, layout } of cases.filter(({ method }) => method.name !== "dense")) {
      assertEquals(orderConfigOf(parseCase(name)), layout.order);
    }
  }
});

Deno.test("sweep cases: a file's checksum is in the string, so that other numbers of one name are another case", async () => {
  await using folder = new TemporaryFolder();
  const path = folder.at("in.safetensors"), hash = await sha256(await writeInput(path));
  const first = await casesFor("--input", path);
  assertStringIncludes(first.names[0], ` input=in hash=${hash.slice(0, 12)}`);
  await writeInput(path, 2);
  const second = await casesFor("--input", path);
  assert(second.names.every((name) => !first.names.includes(name)));
});

Deno.test("sweep cases: names with spaces, = and characters that terminals obey become words", async () => {
  await using folder = new TemporaryFolder();
  for (
    const [name, word, shown] of [
      ["my run = 3 |", "my%20run%20%3D%203%20%7C", "my run = 3 |"],
      ["100%", "100%25", "100%"],
      ["größe", "größe", "größe"],
      ["\x1b[31mred\n", "%5Cx1b[31mred%20", "\\x1b[31mred "],
    ]
  ) {
    await writeInput(folder.at(`${name}.safetensors`));
    const { input, names: [first] } = await casesFor("--input", folder.at(`${name}.safetensors`));
    assertEquals(input.name, shown);
    assertStringIncludes(first, ` input=${word} hash=`);
    assertEquals(parseCase(first).input, word);
  }
});
