/** `deno task bench:peers`: it reports missing packages, does not time wrong outputs, and builds the model that ONNX defines. */
import { onnxModel } from "../../../bench/peers/onnx_model.ts";
import { findPeer, type Peer } from "../../../bench/peers/peer.ts";
import { type PeerRow, runPeers, timeRun } from "../../../bench/peers/bench.ts";
import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { runPsa } from "../../support/command.ts";
import { gpuTest } from "../../support/stage_case.ts";

/** Fields of a message of protocol buffers, read back: numbers, and bytes of messages and texts. */
function fieldsOf(bytes: Uint8Array): (readonly [number, number | Uint8Array])[] {
  const fields: (readonly [number, number | Uint8Array])[] = [];
  let at = 0;
  const varint = () => {
    let value = 0, factor = 1;
    for (;; factor *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint(), number = Math.floor(key / 8), value = varint();
    if (key % 8 === 0) fields.push([number, value]);
    else fields.push([number, bytes.subarray(at, at += value)]);
  }
  return fields;
}

Deno.test("peers: the model has nodes of attention, each reading the one before, and the sizes of the call", () => {
  const text = (bytes: number | Uint8Array) => new TextDecoder().decode(bytes as Uint8Array);
  const all = (fields: ReturnType<typeof fieldsOf>, number: number) =>
    fields.filter(([n]) => n === number).map(([, x]) => x);
  const graph = fieldsOf(
    all(fieldsOf(onnxModel({ heads: 300, tokens: 4096, dim: 64 }, 3)), 7)[0] as Uint8Array,
  );
  const nodes = all(graph, 1).map((node) => fieldsOf(node as Uint8Array));
  assertEquals(nodes.map((node) => all(node, 1).map(text)), [["q", "k", "v"], ["x1", "k", "v"], [
    "x2",
    "k",
    "v",
  ]]);
  assertEquals(nodes.map((node) => all(node, 2).map(text)), [["x1"], ["x2"], ["out"]]);
  const attribute = fieldsOf(all(nodes[0], 5)[0] as Uint8Array);
  assertEquals([text(all(attribute, 1)[0]), all(attribute, 3)[0]], ["num_heads", 300]);
  const input = fieldsOf(all(graph, 11)[0] as Uint8Array), type = fieldsOf(all(input, 2)[0] as Uint8Array);
  const [, shape] = fieldsOf(type[0][1] as Uint8Array).map(([, x]) => x);
  const dims = fieldsOf(shape as Uint8Array).map(([, dim]) => fieldsOf(dim as Uint8Array)[0][1]);
  assertEquals(dims, [1, 4096, 300 * 64]);
});

/** A peer whose outputs are those of a function. */
function fake(name: string, output: (length: number) => Float32Array): Peer {
  return {
    ...{ name, version: "1.2.3", file: "deno-std/assert/mod.js" },
    build: (_, { q }) =>
      Promise.resolve({ output: () => Promise.resolve(output(q.length)), repeat: () => Promise.resolve() }),
  };
}

Deno.test("peers: what it takes to wait for the device is not counted", async () => {
  const own = performance.now;
  let clock = 0;
  performance.now = () => clock;
  try {
    const repeat = (times: number) => Promise.resolve(void (clock += 10 + 0.05 * times));
    const ms = await timeRun({ output: () => Promise.resolve(new Float32Array()), repeat });
    assert(Math.abs(ms - 0.05) < 1e-9, `${ms} ms`);
  } finally {
    performance.now = own;
  }
});

Deno.test("peers: a package that is not there is found nowhere", async () => {
  assertEquals(
    await findPeer({ ...fake("nobody", () => new Float32Array()), file: "nobody/index.js" }),
    undefined,
  );
});

gpuTest("peers: what is wrong is said and not timed; so is what is not installed", async (gpu) => {
  const missing = { ...fake("nobody", () => new Float32Array()), file: "nobody/index.js" };
  const peers = [missing, fake("zeros", (length) => new Float32Array(length))],
    told: (PeerRow | string)[] = [];
  for await (const row of runPeers(gpu, { tokens: 20, least: 10, peers, sizes: [[1, 16]] })) told.push(row);
  assertEquals(told.length, 3);
  const [absent, own, wrong] = told;
  assertEquals(
    absent,
    "nobody is not installed; `deno cache --no-lock npm:nobody@1.2.3` installs it.",
  );
  assert(typeof own === "object" && own.peer === "psa-harness" && own.ms > 0 && own.rel_l2 < 1e-5);
  assertMatch(
    `${wrong}`,
    /^zeros cannot run 20 tokens, 1 heads of 16: it is wrong: relative L2 error 1, bound /,
  );
});

Deno.test("bench:peers refuses tokens that are no number", async () => {
  const { code, stderr } = await runPsa("peers", ["--tokens", "0"]);
  assertEquals([code, stderr.trim().split("\n").at(-1)], [
    2,
    '--tokens is "0"; it should be a positive whole number.',
  ]);
});
