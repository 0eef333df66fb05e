import { type Tensor, tensor } from "../../../reference/tensor.ts";
import { writeSafetensors } from "../../../fixtures/safetensors.ts";
import { main } from "../../../bench/cli/psa.ts";
import { InputError } from "../../../reference/errors.ts";
import { assertEquals, assertMatch, assertRejects } from "../../support/assert.ts";
import { runPsa, TemporaryFolder } from "../../support/command.ts";

/** Numbers of a shape. */
function values(...shape: number[]): Tensor<Float32Array> {
  return tensor(new Float32Array(shape.reduce((product, length) => product * length, 1)).fill(0.5), shape);
}

/** A good file. */
const qkv = { q: values(1, 2, 64, 16), k: values(1, 2, 64, 16), v: values(1, 2, 64, 16) };

/** A file whose q has no tokens; a tensor without elements cannot be made, only written by hand. */
function withoutTokens(): Uint8Array {
  const header = JSON.stringify({ q: { dtype: "F32", shape: [1, 2, 0, 16], data_offsets: [0, 0] } });
  const bytes = new Uint8Array(8 + header.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
  bytes.set(new TextEncoder().encode(header), 8);
  return bytes;
}

/** Refused with one sentence that matches, and nothing written. A test below looks at the process. */
async function assertRefused(args: readonly string[], sentence: RegExp): Promise<void> {
  await using folder = new TemporaryFolder();
  const sweep = () => main(["sweep", "--no-gpu", "--out", folder.at("out"), ...args]);
  const { message } = await assertRejects(sweep, InputError);
  assertMatch(message, sentence);
  assertEquals(message.trimEnd().split("\n").length, 1, message);
  assertEquals([...Deno.readDirSync(folder.path)].length, 0, "something was written");
}

Deno.test("sweep: what is refused is one sentence on stderr, exit code 2, and nothing else", async () => {
  await using folder = new TemporaryFolder();
  const { code, stdout, stderr } = await runPsa("sweep", [
    ...["--no-gpu", "--out", folder.at("out"), "--dtype", "bf16"],
  ]);
  assertEquals([code, stdout, stderr.trimEnd().split("\n").length], [2, "", 1], stderr);
  assertEquals([...Deno.readDirSync(folder.path)].length, 0, "something was written");
});

/** The same for what a file holds. */
async function assertFileRefused(bytes: Uint8Array, sentence: RegExp): Promise<void> {
  await using folder = new TemporaryFolder();
  await Deno.writeFile(folder.at("bad.safetensors"), bytes);
  await assertRefused(["--input", folder.at("bad.safetensors")], sentence);
}

const OPTIONS: readonly (readonly [args: string, sentence: RegExp])[] = [
  ["--densitys .5", /--densitys is not an option; the nearest one is --densities\./],
  ["--help-me", /--help-me is not an option; the nearest one is --help\./],
  ["out", /"out" is not an option/],
  ["--densities 0,.5", /--densities has "0"/],
  ["--densities 1.5", /--densities has "1.5"/],
  ["--densities half", /--densities has "half"/],
  ["--densities", /--densities is empty/],
  ["--densities .5,,.1", /empty entry/],
  ["--methods psa,topk", /--methods is "topk".*nearest/],
  ["--workload vidio", /--workload is "vidio"; the nearest is video\. It should be one of gaussian, /],
  ["--dtype f8", /--dtype is "f8"/],
  ["--order zigzag", /--order is "zigzag"/],
  ["--importance none", /--importance is "none"/],
  ["--block-m 48", /--block-m is "48"; it should be one of 16, 32, 64, 128/],
  ["--block-n 256", /--block-n is "256"/],
  ["--tile 8", /--tile is "8"/],
  ["--block-m 64,48", /--block-m is "48"; it should be one of 16, 32, 64, 128/],
  ["--dtype f32,bf16", /--dtype is "bf16"/],
  ["--causal yes", /--causal is "yes"; .* It should be one of input, true, false/],
  ["--tile 64 --block-n 32", /--tile is 64; it should be at most --block-n, 32/],
  ["--seq 0", /--seq is 0; it should be at least 1/],
  ["--dim 12", /--dim is 12; it should be a multiple of 8 up to 256/],
  ["--dim 264", /--dim is 264/],
  ["--heads 3 --kv-heads 2", /--kv-heads is 2; it should divide --heads, 3/],
  ["--seed x", /--seed is "x"/],
  ["--grid 4,4", /--grid is "4,4"/],
  ["--workload video --seq 64 --grid 4,4,8", /grid|product|hold/],
  ["--workload gaussian --seq 64 --order gilbert", /--order gilbert needs the grid of gaussian/],
  ["--workload sinks --seq 64 --order tile", /--order tile does not fit sinks: it is causal/],
  ["--workload gaussian --seq 64 --methods sta", /"sta", which needs the grid/],
  ["--workload gaussian --seq 64 --filter method=none", /--filter is "method=none"; no case matches it/],
  ["--workload gaussian --seq 64 --filter colour=red", /no field `colour=red`/],
  ["--shard 3/2", /--shard is "3\/2"/],
  ["--workload gaussian --seq 64 --shard 1/1000", /--shard has 1000 parts/],
  ["--confidence 1", /--confidence is "1"/],
  ["--input nowhere.safetensors", /There is no file or folder nowhere\.safetensors/],
  ["--config nowhere.json", /--config nowhere\.json cannot be read/],
  ["--workload gaussian --seq 100000000", /memory/],
  [
    "--workload gaussian --seq 64 --out /dev/null/results",
    /--out is "\/dev\/null\/results"; files cannot be written/,
  ],
  ["--workload gaussian --seq 64 --resume", /has no run/],
];

for (const [args, sentence] of OPTIONS) {
  Deno.test(`sweep refuses ${args}`, () => assertRefused(args.split(" "), sentence));
}

const TRUNCATED = writeSafetensors(qkv).subarray(0, -4);
const HUGE_HEADER = new Uint8Array(64);
new DataView(HUGE_HEADER.buffer).setBigUint64(0, 1n << 60n, true);
const nan = values(1, 2, 64, 16), infinite = values(1, 2, 64, 16);
nan.data[70] = NaN;
infinite.data[3] = Infinity;
const { q, k, v } = qkv;

const FILES: readonly (readonly [what: string, bytes: Uint8Array, sentence: RegExp])[] = [
  ["a truncated file", TRUNCATED, /bad\.safetensors: /],
  ["a text file", new TextEncoder().encode("this is no tensor file at all"), /bad\.safetensors: /],
  ["an empty file", new Uint8Array(), /bad\.safetensors: /],
  ["a huge header", HUGE_HEADER, /header/],
  ["a file without k", writeSafetensors({ q, v }), /no tensor `k`/],
  ["a file without q", writeSafetensors({ k, v }), /no tensor `q`/],
  ["three axes", writeSafetensors({ q: values(2, 64, 16), k, v }), /`q`/],
  [
    "two element types",
    writeSafetensors({ q, k, v: tensor(new Float16Array(2048), [1, 2, 64, 16]) }),
    /F32.*F16/,
  ],
  [
    "integers",
    writeSafetensors({ q, k, v: tensor(new Int32Array(2048), [1, 2, 64, 16]) }),
    /`v` is I32; it should be F16/,
  ],
  ["lengths that disagree", writeSafetensors({ q, k, v: values(1, 2, 32, 16) }), /`v`|64.*32|32.*64/],
  ["dimensions that disagree", writeSafetensors({ q, k: values(1, 2, 64, 8), v }), /16.*8|8.*16/],
  ["NaN", writeSafetensors({ q, k: nan, v }), /`k` holds NaN at \[0,0,4,6\]/],
  ["infinity", writeSafetensors({ q, k, v: infinite }), /`v` holds Infinity/],
  ["no tokens", withoutTokens(), /"q" has shape \[1,2,0,16\]/],
  ["D = 12", writeSafetensors({ q: values(1, 2, 64, 12), k: values(1, 2, 64, 12), v }), /multiple of 8/],
  ["heads that form no groups", writeSafetensors({ q: values(1, 3, 64, 16), k, v }), /3.*2|heads/],
  ["a wrong grid", writeSafetensors(qkv, { grid: "[4, 4, 5]" }), /grid/],
  ["a causal that is no truth", writeSafetensors(qkv, { causal: "maybe" }), /"maybe"/],
];

for (const [what, bytes, sentence] of FILES) {
  Deno.test(`sweep refuses a file with ${what}`, () => assertFileRefused(bytes, sentence));
}

Deno.test("sweep refuses a folder without safetensors files", async () => {
  await using folder = new TemporaryFolder();
  await assertRefused(["--input", folder.path], /has no file that ends in \.safetensors/);
});

Deno.test("sweep: a bad file among good ones stops it before anything is written", async () => {
  await using folder = new TemporaryFolder();
  await Deno.writeFile(folder.at("a.safetensors"), writeSafetensors(qkv));
  await Deno.writeFile(folder.at("b.safetensors"), TRUNCATED);
  await assertRefused(["--input", folder.path], /b\.safetensors: /);
});

Deno.test("sweep refuses a configuration file with an unknown option, or none at all", async () => {
  await using folder = new TemporaryFolder();
  const config = async (text: string) => {
    await Deno.writeTextFile(folder.at("sweep.json"), text);
    return ["--config", folder.at("sweep.json")];
  };
  await assertRefused(
    await config('{"densitys": [1]}'),
    /--densitys in .* is not an option; the nearest one is --densities/,
  );
  await assertRefused(await config("[1]"), /should hold one JSON object/);
  await assertRefused(await config("{"), /cannot be read/);
  await assertRefused(await config('{"per-head": "yes"}'), /should be true or false/);
});
