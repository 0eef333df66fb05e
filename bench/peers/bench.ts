/**
 * `deno task bench:peers`: times dense attention of other packages and ours on the same adapter, in float32. Each is compared
 * with the reference before it is timed.
 *
 * @module
 */
import type { Gpu } from "../../kernels/device/gpu.ts";
import { submitPass } from "../../kernels/device/work/pass.ts";
import { createPsa, type Psa } from "../../kernels/psa.ts";
import { denseAttention } from "../../reference/attention/attention.ts";
import { compare } from "../../reference/judge/metrics.ts";
import { attentionTolerance } from "../../reference/judge/tolerance.ts";
import { seededRandom } from "../../reference/random.ts";
import type { Qkv } from "../../reference/tensor.ts";
import { showFixed, showNumber } from "../text/number.ts";
import { medianOf } from "../timing/statistics.ts";
import { jax } from "./jax.ts";
import { onnxruntime } from "./onnxruntime.ts";
import { findPeer, type Peer, type PeerCall, type PeerRun } from "./peer.ts";

/** The packages for comparison. */
const PEERS: readonly Peer[] = [onnxruntime, jax];
/** Heads and channels. */
const SIZES = [[12, 128], [16, 64]] as const;
/** Rows of the last head that are compared, measurements, and milliseconds that the attentions of one take at least. */
const ROWS = 16, MEASUREMENTS = 5, LEAST = 200;

/** The fewest attentions of a measurement, a multiple of those that a model has, and the most. */
const FEW = 4, MOST = 2 ** 16;

/** Options of the comparison. */
export interface PeersOptions {
  /** Tokens of a head. */
  readonly tokens: number;
  /** The packages for comparison; default all that this bench knows. */
  readonly peers?: readonly Peer[];
  /** Milliseconds that the attentions of a measurement take at least; default 200. */
  readonly least?: number;
  /** Heads and channels; default 12 of 128 and 16 of 64. */
  readonly sizes?: readonly (readonly [heads: number, dim: number])[];
}

/** The measurements of one package. */
export interface PeerRow extends Pick<PeerCall, "heads" | "tokens" | "dim"> {
  readonly peer: string;
  /** Its version; of ours, the implementation of WebGPU. */
  readonly version: string;
  readonly dtype: "f32";
  /** Milliseconds of one attention, by the wall clock. */
  readonly ms: number;
  readonly tflops: number;
  readonly rel_l2: number;
}

/**
 * Runs the bench.
 *
 * @param gpu the device of our kernels
 * @param options tokens
 * @returns rows as they are measured; or a sentence, where a package is not installed, is wrong, or cannot do it
 */
export async function* runPeers(
  gpu: Gpu,
  { tokens, peers = PEERS, sizes = SIZES, least }: PeersOptions,
): AsyncGenerator<PeerRow | string> {
  for (const [heads, dim] of sizes) {
    const call = makeCall({ heads, dim, tokens });
    using psa = await ourPsa(gpu, call);
    const all = [{
      name: "psa-harness",
      version: gpu.info.implementation as string,
      open: () => ours(gpu, psa),
    }];
    for (const peer of peers) {
      const module = await findPeer(peer);
      if (module === undefined) yield missing(peer);
      else all.push({ ...peer, open: () => peer.build(module, call) });
    }
    for (const { name, version, open } of all) {
      try {
        const run = await open(), rel_l2 = check(call, await run.output()), ms = await timeRun(run, least);
        const tflops = 4 * heads * tokens ** 2 * dim / ms / 1e9;
        yield { peer: name, version, heads, tokens, dim, dtype: "f32", ms, tflops, rel_l2 };
      } catch (error) {
        yield `${name} cannot run ${tokens} tokens, ${heads} heads of ${dim}: ${(error as Error).message}`;
      }
    }
  }
}

/** The sentence about a package that is not installed. */
function missing({ name, version }: Peer): string {
  return `${name} is not installed; \`deno cache --no-lock npm:${name}@${version}\` installs it.`;
}

/** A row as a sentence. */
export function peerSentence({ peer, version, heads, tokens, dim, ms, tflops, rel_l2 }: PeerRow): string {
  const error = showNumber(rel_l2, { digits: 2, small: Infinity });
  return `D=${dim} H=${heads} L=${tokens} ${peer} ${version}: ${showFixed(ms, 3)} ms, ${
    showFixed(tflops, 2)
  } TFLOP/s, relative error ${error}`;
}

/** Normal numbers. */
function makeCall({ heads, tokens, dim }: Pick<PeerCall, "heads" | "tokens" | "dim">): PeerCall {
  const random = seededRandom(7);
  const numbers = () => Float32Array.from({ length: heads * tokens * dim }, () => random.normal());
  return { heads, tokens, dim, q: numbers(), k: numbers(), v: numbers() };
}

/** The numbers of one head, [1, 1, tokens, channels]. */
function headOf({ heads, tokens, dim }: PeerCall, data: Float32Array, rows: number) {
  const own = new Float32Array(rows * dim), head = heads - 1;
  for (let i = 0; i < rows; i++) {
    const at = ((tokens - rows + i) * heads + head) * dim;
    own.set(data.subarray(at, at + dim), i * dim);
  }
  return { data: own, shape: [1, 1, rows, dim] };
}

/** Compares the last rows of the last head with the reference; their relative error. */
function check(call: PeerCall, output: Float32Array): number {
  const { tokens } = call, rows = Math.min(ROWS, tokens);
  const qkv: Qkv = {
    q: headOf(call, call.q, rows),
    k: headOf(call, call.k, tokens),
    v: headOf(call, call.v, tokens),
  };
  const { relL2 } = compare(headOf(call, output, rows), denseAttention(qkv).out);
  const bound = attentionTolerance(qkv, null, { dtype: "f32" }).relL2;
  if (!(relL2 <= bound)) throw new Error(`it is wrong: relative L2 error ${relL2}, bound ${bound}`);
  return relL2;
}

/**
 * Milliseconds of one attention, the median of some measurements. Waiting for the device takes 10 ms, however little it has to do, so what is
 * measured is by how much longer many attentions take than a few.
 *
 * @param run the attentions of a package
 * @param least milliseconds that those of a measurement take at least
 */
export async function timeRun({ repeat }: PeerRun, least = LEAST): Promise<number> {
  const measure = async (times: number) => {
    const begin = performance.now();
    await repeat(times);
    return performance.now() - begin;
  };
  await repeat(FEW);
  let times = FEW, few = await measure(FEW), all = few;
  while (all - few < least && times < MOST) {
    times *= 2;
    [few, all] = [await measure(FEW), await measure(FEW + times)];
  }
  const each: number[] = [];
  for (let i = 0; i < MEASUREMENTS; i++) each.push((await measure(FEW + times) - await measure(FEW)) / times);
  return medianOf(each);
}

/** Our dense attention of a call. */
async function ourPsa(gpu: Gpu, call: PeerCall): Promise<Psa> {
  const { heads, tokens, dim } = call;
  const psa = await createPsa(gpu, {
    shape: { batch: 1, heads, kvHeads: heads, seqQ: tokens, seqK: tokens, headDim: dim, valueDim: dim },
    config: {
      ...{ blockM: 128, blockN: 128, tile: 32, importance: { kind: "pooled" } },
      assignment: { mode: "density", density: 1 },
    },
    ready: ["dense"],
  });
  const tensor = (data: Float32Array<ArrayBuffer>) => ({
    data: turned(call, data),
    shape: [1, heads, tokens, dim],
  });
  await psa.load({ q: tensor(call.q), k: tensor(call.k), v: tensor(call.v) });
  return psa;
}

/** [tokens, heads, channels] as [heads, tokens, channels]; with `back`, the other way. */
function turned(
  { heads, tokens, dim }: PeerCall,
  data: Float32Array,
  back = false,
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(data.length);
  for (let token = 0; token < tokens; token++) {
    for (let head = 0; head < heads; head++) {
      const own = (token * heads + head) * dim, other = (head * tokens + token) * dim;
      const [from, to] = back ? [other, own] : [own, other];
      out.set(data.subarray(from, from + dim), to);
    }
  }
  return out;
}

/** Our call as a peer runs. */
async function ours(gpu: Gpu, psa: Psa): Promise<PeerRun> {
  const call = await psa.prepare("dense"),
    encodes = call.stages.map(({ encode }) => encode),
    { shape: { heads, seqQ, headDim } } = psa;
  const sizes = { heads, tokens: seqQ, dim: headDim } as PeerCall;
  return {
    output: async () => turned(sizes, (await call.forward()).out.data as Float32Array, true),
    repeat: async (times) => {
      // A submission for each call, as the others have it, and one wait for all.
      for (let i = 0; i < times; i++) await submitPass(gpu, encodes, { label: "dense attention" });
      await gpu.device.queue.onSubmittedWorkDone();
    },
  };
}
