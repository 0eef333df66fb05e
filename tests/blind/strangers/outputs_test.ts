/**
 * Exported cases and outputs that strangers have had their hands on.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { writeSafetensors } from "../../../mod.ts";
import type { TemporaryFolder } from "../../support/command.ts";
import { assertCame, assertRefused, move, program, task } from "./move.ts";

const FILTER = "attention seed=3";

/** One exported case, its file's name, and a folder for outputs with right ones in it. */
async function exported(folder: TemporaryFolder, format = "safetensors") {
  const cases = folder.at("cases"), outputs = folder.at("outputs");
  assertCame(await task(["export", "--out", cases, "--filter", FILTER, "--format", format]), 0);
  await Deno.mkdir(outputs);
  const { cases: [{ file }] } = JSON.parse(await Deno.readTextFile(`${cases}/manifest.json`));
  return {
    cases,
    outputs,
    file,
    judge: (limit = 30) => task(["verify", cases, "--outputs", outputs], { limit }),
  };
}

/** A raw case's JSON and the right outputs as raw files. */
async function rightRaw(folder: TemporaryFolder) {
  const found = await exported(folder, "raw"), stem = found.file.replace(/\.json$/, "");
  const described = JSON.parse(await Deno.readTextFile(`${found.cases}/${found.file}`));
  const { shape } = described.tensors.expected_out_f32, name = `${stem}.out.bin`;
  await Deno.copyFile(`${found.cases}/${stem}.expected_out_f32.bin`, `${found.outputs}/${name}`);
  const write = (file: string) =>
    Deno.writeTextFile(
      `${found.outputs}/${found.file}`,
      JSON.stringify({ tensors: { out: { file, dtype: "f32", shape } } }),
    );
  await write(name);
  return { ...found, stem, name, write };
}

/** Changes the metadata of a case in the manifest's folder. */
async function changeCase(path: string, change: (metadata: Record<string, string>) => void): Promise<void> {
  const described = JSON.parse(await Deno.readTextFile(path));
  change(described.metadata);
  await Deno.writeTextFile(path, JSON.stringify(described));
}

move("right raw outputs are right", async (folder) => {
  assertCame(await (await rightRaw(folder)).judge(), 0, /right/);
});

move("no outputs at all are an error of each case", async (folder) => {
  assertCame(await (await exported(folder)).judge(), 1, /missing/);
});

move("a raw output that names a file of another folder", async (folder) => {
  const { judge, write, name, outputs } = await rightRaw(folder);
  await Deno.rename(`${outputs}/${name}`, folder.at(name));
  await write(`../${name}`);
  const done = await judge();
  assert(done.code !== 0, "a file of another folder is judged right");
  assertCame(done, done.code, /folder|path|outside/);
});

move("a raw output that is a link to a file of another folder", async (folder) => {
  const { judge, name, outputs } = await rightRaw(folder);
  await Deno.rename(`${outputs}/${name}`, folder.at(name));
  await Deno.symlink(folder.at(name), `${outputs}/${name}`);
  assert((await judge()).code !== 0, "a link that leaves the folder is judged right");
});

move("an output that is a pipe", async (folder) => {
  const { judge, outputs, file } = await exported(folder);
  await program("mkfifo", [`${outputs}/${file}`]);
  const done = await judge(10);
  assert(done.code === 1 || done.code === 2, done.stderr);
  assertCame(done, done.code);
});

move("an output that is /dev/zero", async (folder) => {
  const { judge, outputs, file } = await exported(folder);
  await Deno.symlink("/dev/zero", `${outputs}/${file}`);
  const done = await judge(10);
  assert(done.code === 1 || done.code === 2, done.stderr);
  assertCame(done, done.code);
});

move("an output whose header is twenty megabytes of one string", async (folder) => {
  const { judge, outputs, file } = await exported(folder);
  const header = new TextEncoder().encode(JSON.stringify({ "__metadata__": { a: "x".repeat(20_000_000) } }));
  const bytes = new Uint8Array(8 + header.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
  bytes.set(header, 8);
  await Deno.writeFile(`${outputs}/${file}`, bytes);
  const done = await judge();
  assertCame(done, 1);
  const longest = Math.max(...done.stdout.split("\n").map((line) => line.length));
  assert(longest <= 400, `a line of ${longest} characters`);
});

move("an output whose tensors have names of a megabyte", async (folder) => {
  const { judge, outputs, file } = await exported(folder);
  const tensors = { ["n".repeat(1_000_000)]: { data: new Float32Array(1), shape: [1] } };
  await Deno.writeFile(`${outputs}/${file}`, writeSafetensors(tensors));
  const done = await judge();
  assertCame(done, 1);
  assert(done.stdout.length < 3000, `${done.stdout.length} characters`);
});

const TOLERANCES: readonly (readonly [what: string, tolerance: unknown])[] = [
  ["that is empty", {}],
  ["that is negative", {
    out: { relL2: -1, maxAbs: -1, halfRelL2: -1, halfMaxAbs: -1 },
    lse: { maxAbs: 1, halfMaxAbs: 1 },
  }],
  ["that is infinite", { out: { relL2: "Infinity", maxAbs: 1e999, halfRelL2: 1, halfMaxAbs: 1 } }],
];
for (const [what, tolerance] of TOLERANCES) {
  move(`a case with a tolerance ${what}`, async (folder) => {
    const { judge, cases, file } = await rightRaw(folder);
    await changeCase(`${cases}/${file}`, (metadata) => metadata.tolerance = JSON.stringify(tolerance));
    const done = await judge();
    assertEquals(done.code, 2, done.stdout);
    assertRefused(done, /tolerance|sha|changed|manifest/i);
  });
}

move("a manifest that lists a case outside its folder", async (folder) => {
  const { judge, cases, file } = await exported(folder);
  const manifest = JSON.parse(await Deno.readTextFile(`${cases}/manifest.json`));
  await Deno.rename(`${cases}/${file}`, folder.at(file));
  manifest.cases[0].file = `../${file}`;
  await Deno.writeTextFile(`${cases}/manifest.json`, JSON.stringify(manifest));
  const done = await judge();
  assertRefused(done, /folder|path|file|hash/);
});

move("a manifest that is no JSON", async (folder) => {
  const { judge, cases } = await exported(folder);
  await Deno.writeTextFile(`${cases}/manifest.json`, "{");
  assertRefused(await judge(), /manifest/);
});

move("a manifest without cases", async (folder) => {
  const { judge, cases } = await exported(folder);
  const manifest = JSON.parse(await Deno.readTextFile(`${cases}/manifest.json`));
  await Deno.writeTextFile(`${cases}/manifest.json`, JSON.stringify({ ...manifest, cases: [] }));
  assertRefused(await judge(), /case/);
});

move("outputs and cases that are one folder", async (folder) => {
  const { cases } = await exported(folder);
  assertRefused(await task(["verify", cases, "--outputs", cases]), /outputs/);
});
