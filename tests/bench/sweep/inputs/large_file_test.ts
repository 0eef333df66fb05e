/** A file of 3 GB: two of its heads are swept in a process that stays far below its size. */
import { fileURLToPath } from "node:url";
import { makeWorkload } from "../../../../mod.ts";
import { float32ToBf16 } from "../../../../fixtures/bf16.ts";
import { readRun } from "../../../../bench/sweep/files/write.ts";
import { assert, assertEquals } from "../../../support/assert.ts";
import { TemporaryFolder } from "../../../support/command.ts";

const TOKENS = 2048, DIM = 64, HEADS = 4096, MOST = 600e6;

/** Writes a sparse file: zeros, but for some heads. */
async function writeSparse(path: string, heads: readonly number[]): Promise<number> {
  const size = TOKENS * DIM * 2, tensor = HEADS * size, shape = [1, HEADS, TOKENS, DIM];
  const header = new TextEncoder().encode(JSON.stringify(Object.fromEntries(["q", "k", "v"].map((name, i) => [
    name,
    { dtype: "BF16", shape, data_offsets: [i * tensor, (i + 1) * tensor] },
  ]))));
  using file = await Deno.open(path, { write: true, createNew: true });
  const start = new Uint8Array(8);
  new DataView(start.buffer).setBigUint64(0, BigInt(header.length), true);
  await file.write(start);
  await file.write(header);
  const { qkv } = makeWorkload("video", { seqQ: TOKENS, headDim: DIM });
  for (const [i, name] of (["q", "k", "v"] as const).entries()) {
    const bytes = new Uint8Array(float32ToBf16(qkv[name].data as Float32Array).buffer);
    for (const head of heads) {
      await file.seek(8 + header.length + i * tensor + head * size, Deno.SeekMode.Start);
      for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    }
  }
  await file.truncate(8 + header.length + 3 * tensor);
  return 8 + header.length + 3 * tensor;
}

Deno.test({
  name: "sweep: of a file of 3 GB, no more than the heads that are asked for is in memory",
  ignore: Deno.build.os !== "linux", // /proc tells the largest memory of a process
  async fn() {
    await using folder = new TemporaryFolder();
    const path = folder.at("big.safetensors"), size = await writeSparse(path, [7, HEADS - 1]);
    assert(size > 3e9, `${size} bytes`);
    const main = new URL("../../../../bench/cli/psa.ts", import.meta.url).href;
    const args = [
      "sweep",
      "--no-gpu",
      "--input",
      path,
      "--heads",
      `7,${HEADS - 1}`,
      "--densities",
      ".2",
      "--methods",
    ];
    const code = `import { main } from "${main}";
      await main(${
      JSON.stringify([...args, "psa", "--truth", "rows", "--truth-rows", "1", "--out", folder.at("out")])
    });
      console.error("peak", /VmHWM:\\\\s*(\\\\d+)/.exec(Deno.readTextFileSync("/proc/self/status"))[1]);`;
    const { stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-check", code.replaceAll("\\\\", "\\")],
      cwd: fileURLToPath(new URL("../../../..", import.meta.url)),
    }).output();
    const said = new TextDecoder().decode(stderr), peak = 1024 * Number(/peak (\d+)/.exec(said)?.[1]);
    const { rows: [row] } = await readRun(folder.at("out"));
    assertEquals([row.heads, row.seq_k, row.truth, row.truth_rows], [2, TOKENS, "rows", 32]);
    assert(row.rel_l2! > 0.01 && row.rel_l2! < 2, `the heads are not those that were written: ${row.rel_l2}`);
    assert(peak > 0 && peak < MOST, `the peak is ${peak} bytes\n${said}`);
  },
});
