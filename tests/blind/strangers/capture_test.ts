/**
 * Captures from strangers: what lacks, does not fit, or is no capture at all.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { pyramidAttention, type Tensor, tensor, writeSafetensors } from "../../../mod.ts";
import { hardCall } from "../honest/data.ts";
import { assertCame, assertRefused, move, program, task } from "./move.ts";

const CALL = hardCall("random, causal, tail", "f32");
const METADATA = {
  block_m: "64",
  block_n: "64",
  tile: "32",
  causal: "true",
  scale: "0.125",
  tail: '"exact"',
};

/** A right capture of the call. */
function rightTensors(): Record<string, Tensor> {
  const { out, lse } = pyramidAttention(CALL.qkv, CALL.levels, CALL);
  const narrow = ({ data, shape }: Tensor) => tensor(Float32Array.from(data), shape);
  return { ...CALL.qkv, levels: CALL.levels, out: narrow(out), lse: narrow(lse) };
}

/** Writes a capture and has it judged. */
async function judged(
  path: string,
  tensors: Record<string, Tensor>,
  metadata: Record<string, string> = METADATA,
  ...options: string[]
) {
  await Deno.writeFile(path, writeSafetensors(tensors, metadata));
  return await task(["verify", "--capture", path, ...options]);
}

move("a right capture is right", async (folder) => {
  assertCame(await judged(folder.at("a.safetensors"), rightTensors()), 0, /right/);
});

move("a wrong capture is wrong", async (folder) => {
  const tensors = rightTensors(), out = tensors.out.data as Float32Array;
  out[1000] += 0.5;
  assertCame(await judged(folder.at("a.safetensors"), tensors), 1, /WRONG/);
});

move("a folder of captures is judged whole", async (folder) => {
  for (const name of ["a", "b"]) {
    await Deno.writeFile(folder.at(`${name}.safetensors`), writeSafetensors(rightTensors(), METADATA));
  }
  const done = await task(["verify", "--capture", folder.path]);
  assertCame(done, 0);
  assertEquals(done.stdout.match(/^right/gm)?.length, 2, done.stdout);
});

move("--json of a capture is one object per line with the agreed fields", async (folder) => {
  const done = await judged(folder.at("a.safetensors"), rightTensors(), METADATA, "--json");
  assertCame(done, 0);
  const [line, ...others] = done.stdout.trim().split("\n");
  assertEquals(others.length, 0);
  const found = JSON.parse(line);
  for (const field of ["file", "verdict", "arithmetic", "budget_used", "names", "where", "reason"]) {
    assert(field in found, `no field ${field} in ${line}`);
  }
  assertEquals(found.verdict, "right");
});

for (const missing of ["q", "k", "v", "levels", "out"]) {
  move(`a capture without ${missing}`, async (folder) => {
    const { [missing]: _, ...others } = rightTensors();
    assertRefused(await judged(folder.at("a.safetensors"), others), new RegExp(`\\b${missing}\\b`));
  });
}

const METADATA_MOVES: readonly (readonly [what: string, metadata: Record<string, string>, says: RegExp])[] = [
  ["without block_m", { block_n: "64" }, /block_m/],
  ["whose block_n is a word", { ...METADATA, block_n: "banana" }, /block_n/],
  ["whose block_n is another one", { ...METADATA, block_n: "32" }, /levels|block/],
  ["whose scale is NaN", { ...METADATA, scale: "NaN" }, /scale/],
  ["whose tail is unknown", { ...METADATA, tail: '"wrap"' }, /tail/],
  ["whose causal is a number", { ...METADATA, causal: "7" }, /causal/],
];
for (const [what, metadata, says] of METADATA_MOVES) {
  move(`a capture ${what}`, async (folder) => {
    assertRefused(await judged(folder.at("a.safetensors"), rightTensors(), metadata), says);
  });
}

move("a capture with mixed element types", async (folder) => {
  const tensors = rightTensors();
  tensors.k = tensor(Float16Array.from(tensors.k.data), tensors.k.shape);
  assertRefused(await judged(folder.at("a.safetensors"), tensors), /f16|float16/i);
});

move("a capture with a level that is no power of two", async (folder) => {
  const tensors = rightTensors();
  tensors.levels = tensor(Int32Array.from(tensors.levels.data, () => 3), tensors.levels.shape);
  assertRefused(await judged(folder.at("a.safetensors"), tensors), /level/);
});

move("a capture whose header claims two gigabytes", async (folder) => {
  const path = folder.at("a.safetensors"), file = await Deno.create(path);
  await file.write(new Uint8Array(BigUint64Array.of(2_000_000_000n).buffer));
  await file.truncate(2_100_000_000);
  file.close();
  const done = await task(["verify", "--capture", path], { limit: 10 });
  assertRefused(done, /header/);
  assert(done.seconds < 8, `${done.seconds} s`);
});

move("a capture that is a pipe", async (folder) => {
  await program("mkfifo", [folder.at("a.safetensors")]);
  assertRefused(await task(["verify", "--capture", folder.at("a.safetensors")], { limit: 10 }), /file/);
});

move("a capture that is /dev/zero", async (folder) => {
  await Deno.symlink("/dev/zero", folder.at("a.safetensors"));
  assertRefused(await task(["verify", "--capture", folder.at("a.safetensors")], { limit: 10 }), /file/);
});

move("a capture that is not there", async (folder) => {
  assertRefused(await task(["verify", "--capture", folder.at("nowhere.safetensors")]), /nowhere/);
});

move("an empty file as a capture", async (folder) => {
  await Deno.writeFile(folder.at("a.safetensors"), new Uint8Array());
  assertRefused(await task(["verify", "--capture", folder.at("a.safetensors")]), /safetensors|bytes|header/);
});
