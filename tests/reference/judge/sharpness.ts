/**
 * `deno task sharpness [--every N]`: which small mistakes are seen in the cases of the suite `smoke` and in the captures of
 * the released kernels.
 *
 * @module
 */
import { perform, runCommand } from "../../../bench/cli/command.ts";
import type { CommandHelp, CommandLine } from "../../../bench/options/command_line.ts";
import { markdownTable } from "../../../bench/text/table.ts";
import { arranged, type Call, callOf } from "../../../fixtures/conformance/call.ts";
import { readCapture } from "../../../fixtures/conformance/captures/capture.ts";
import { ladderBounds, remembered } from "../../../fixtures/conformance/judge/climb.ts";
import { short } from "../../../fixtures/conformance/judge/tensors.ts";
import { suiteCases } from "../../../fixtures/conformance/suites.ts";
import { roundTo } from "../../../fixtures/workloads.ts";
import { attentionBounds } from "../../../reference/judge/attention_parts.ts";
import { judgeLadder } from "../../../reference/judge/ladder.ts";
import type { KernelDType } from "../../../reference/judge/tolerance.ts";
import { permuteTokens } from "../../../reference/order/order.ts";
import {
  pyramidAttention,
  type PyramidAttentionOptions,
  type Random,
  seededRandom,
  type Tensor,
} from "../../../mod.ts";
import { ARITHMETICS } from "./local.ts";

const RELEASED = new URL("../../../fixtures/data/released/", import.meta.url);
/** How often the place of a mistake is drawn in a call. */
const DRAWS = 2;

/** A part of the outputs, and the share by which all of it is off. */
interface Small {
  readonly part: "head" | "query block" | "row" | "element";
  readonly share: number;
}

const SMALL: readonly Small[] = [
  { part: "head", share: 0.005 },
  { part: "query block", share: 0.01 },
  { part: "query block", share: 0.03 },
  { part: "row", share: 0.01 },
  { part: "element", share: 0.1 },
];

/** A call and right outputs, both in the order of the blocks. */
export interface RightCall {
  readonly call: Pick<Call, "qkv" | "levels"> & { readonly options: PyramidAttentionOptions };
  readonly dtype: KernelDType;
  readonly out: Tensor;
}

/** How many mistakes are seen, and from which size on. */
export interface Seen {
  readonly count: number;
  /** Of those that are wrong in a usual arithmetic. */
  readonly usual: number;
  /** Of those that are wrong in every arithmetic of the ladder. */
  readonly all: number;
  /** The smallest shares that a part may be off by and be seen in a usual arithmetic. */
  readonly from: readonly number[];
}

/** Whether an element is of the part that a place is in. */
function isIn(part: Small["part"], at: number, { place, shape, blockM }: {
  readonly place: number;
  readonly shape: readonly number[];
  readonly blockM: number;
}): boolean {
  const [, , tokens, dim] = shape, size = tokens * dim, token = (i: number) => Math.floor(i / dim) % tokens;
  if (part === "element") return at === place;
  if (Math.floor(at / size) !== Math.floor(place / size)) return false;
  if (part === "head") return true;
  if (part === "row") return token(at) === token(place);
  return Math.floor(token(at) / blockM) === Math.floor(token(place) / blockM);
}

/** The place of an element that is not 0, so that its row sees a key. */
function drawnPlace({ data }: Tensor, random: Random): number {
  for (let tries = 0; tries < 1000; tries++) {
    const place = random.below(data.length);
    if (data[place] !== 0) return place;
  }
  throw new Error("all outputs are 0");
}

/** Which of the small mistakes are seen in a call. */
export function seenIn({ call, dtype, out }: RightCall, small: readonly Small[] = SMALL, seed = 0): Seen[] {
  const { qkv, levels, options } = call, want = pyramidAttention(qkv, levels, options).out;
  const of = remembered((arithmetic) => attentionBounds(qkv, levels, { ...options, dtype, arithmetic }));
  const usual = ARITHMETICS[dtype], random = seededRandom(seed), { whole, out: parts } = of(usual);
  const boundOf = (arithmetic: string) => ({ out: ladderBounds(of(arithmetic)).out });
  const changed = (part: Small["part"], place: number, share: number) => (x: number, at: number) =>
    isIn(part, at, { place, shape: want.shape, blockM: options.blockM }) ? x + share * want.data[at] : x;
  return small.map(({ part, share }) => {
    const found = { count: 0, usual: 0, all: 0, from: [] as number[] };
    for (let i = 0; i < DRAWS; i++) {
      const place = drawnPlace(want, random);
      const data = roundTo(dtype, Float64Array.from(out.data, changed(part, place, share)));
      const results = { out: { got: { ...out, data }, want } };
      const isWrong = (require?: string) => !judgeLadder(results, { dtype, boundOf, require }).explained;
      const large = { ...want, data: Float64Array.from(want.data, changed(part, place, 0.5)) };
      const error = Math.sqrt(large.data.reduce((sum, x, at) => sum + (x - want.data[at]) ** 2, 0));
      const norm = Math.sqrt(want.data.reduce((sum, x) => sum + x * x, 0));
      const shares = [error / norm / whole.relL2, parts(large, want)?.share ?? 0];
      found.from.push(0.5 / Math.max(...shares));
      found.count++;
      if (!isWrong(usual)) continue;
      found.usual++;
      if (isWrong()) found.all++;
    }
    return found;
  });
}

/** Several findings as one. */
function joined(all: readonly (readonly Seen[])[]): Seen[] {
  return SMALL.map((_, i) => {
    const sum = (of: (one: Seen) => number) => all.reduce((total, each) => total + of(each[i]), 0);
    const from = all.flatMap((each) => each[i].from).sort((a, b) => a - b);
    return { count: sum((x) => x.count), usual: sum((x) => x.usual), all: sum((x) => x.all), from };
  });
}

/** The calls of the suite in an element type, and what a right kernel gives that rounds its outputs alone. */
function smokeCalls(dtype: KernelDType): RightCall[] {
  return suiteCases("smoke", { dtype }).filter(({ stage }) => stage === "attention").map((given) => {
    const { order: _, ...call } = callOf(given), qkv = arranged(callOf(given));
    const { out } = pyramidAttention(qkv, call.levels, call.options);
    return { call: { ...call, qkv }, dtype, out: { ...out, data: roundTo(dtype, out.data) } };
  });
}

/** Captures of the released kernels that are right. */
async function rightCaptures(): Promise<RightCall[]> {
  const found: RightCall[] = [];
  for await (const { name } of Deno.readDir(RELEASED)) {
    if (!name.endsWith(".safetensors")) continue;
    const { call, dtype, outputs: { out } } = await readCapture(new URL(name, RELEASED).pathname);
    const { levels, options, order } = call, qkv = arranged(call);
    const got = order === undefined ? out : permuteTokens(out, order);
    const want = pyramidAttention(qkv, levels, options).out;
    const boundOf = (arithmetic: string) =>
      ladderBounds(attentionBounds(qkv, levels, { ...options, dtype, arithmetic }));
    const given = { dtype, boundOf, require: ARITHMETICS[dtype] };
    if (judgeLadder({ out: { got, want } }, given).explained) {
      found.push({ call: { qkv, levels, options }, dtype, out: got });
    }
  }
  return found;
}

/** What is seen of one mistake, in words. */
function cellOf({ count, usual, all, from }: Seen): string {
  const median = short(from[from.length >> 1]);
  return usual === 0 ? `below rounding: from ${median}` : `${usual} (${all}) of ${count}, from ${median}`;
}

const HELP: CommandHelp = {
  name: "sharpness",
  usage: "[options]",
  about: ["Which small mistakes in a part of the outputs are seen, in smoke and in captures."],
  examples: ["deno task sharpness"],
  options: [{ name: "every", value: "N", help: "only every Nth case and capture (1)" }],
};

async function run({ read }: CommandLine): Promise<number> {
  const every = read.count("every", 1);
  const dtypes: readonly KernelDType[] = ["f32", "f16", "bf16"];
  const columns = dtypes.map((dtype) => ({ title: `${dtype}, smoke`, calls: smokeCalls(dtype) }));
  columns.push({
    title: "f16, captures",
    calls: (await rightCaptures()).filter((one) => one.dtype === "f16"),
  });
  const seen = columns.map(({ title, calls }) => {
    console.error(`${title}: ${calls.length} calls`);
    return joined(calls.filter((_, i) => i % every === 0).map((one, i) => seenIn(one, SMALL, i)));
  });
  const rows = SMALL.map(({ part, share }, i) => [
    `one ${part} off by ${100 * share} %`,
    ...seen.map((column) => cellOf(column[i])),
  ]);
  const text = markdownTable(["mistake", ...columns.map(({ title }) => title)], rows).join("\n");
  console.log(text);
  return 0;
}

if (import.meta.main) await runCommand(() => perform({ help: HELP, run }, Deno.args));
