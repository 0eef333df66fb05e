/**
 * `deno task wgsl`: prints the WGSL that the device gets for a shape.
 *
 *     deno task wgsl attention --head-dim 128 --dtype f16 --causal
 *     deno task wgsl pyramid --levels 2,8
 *     deno task wgsl importance --stride 8
 *
 * @module
 */
import { runCommand } from "./command.ts";
import { attentionCode, type AttentionKernelOptions } from "../../kernels/attention/variant.ts";
import { pyramidCode } from "../../kernels/pyramid/pyramid.ts";
import { groupTokens } from "../../kernels/lists/entry.ts";
import { scoreCode } from "../../kernels/importance/product.ts";
import { levelsOfLayout, type PyramidLayout, pyramidLayout } from "../../kernels/pyramid/layout.ts";
import { InputError, requireInput } from "../../reference/errors.ts";
import { closestString, parseArgs } from "../std/std.ts";

const NUMBERS = {
  "head-dim": "64",
  "value-dim": "",
  "block-m": "128",
  "block-n": "64",
  "workgroup-memory": "49152",
  "stride": "1",
};
const WORDS = { dtype: "f32", levels: "1,2,4,8" };
const FLAGS = ["dense", "causal", "partial", "no-subgroups", "help"];
const KERNELS = ["attention", "pyramid", "importance"];

const HELP = `deno task wgsl attention|pyramid|importance [options]

Prints the WGSL of a kernel as the device gets it.

  --head-dim N          head dimension (64)
  --value-dim N         value dimension (as --head-dim)
  --block-m N           query block: 16, 32, 64 or 128 (128)
  --block-n N           key block: 16, 32, 64 or 128 (64)
  --dtype T             f32 or f16 (f32)
  --levels L,L,…        levels of the pyramid (1,2,4,8)
  --dense               every level is 1
  --causal              a query sees only keys up to its own position
  --partial             some pooled token stands for fewer tokens than its level
  --stride N            importance: tokens that make one row, the stride of antidiagonal (1)
  --no-subgroups        by workgroup memory only, and with loops, as software devices get it
  --workgroup-memory N  bytes that the device has (49152)`;

/**
 * The WGSL that a command line asks for.
 *
 * @param args the arguments
 * @throws {InputError} one sentence about what cannot be
 *
 * @example
 * ```ts
 * import { wgslOf } from "./wgsl.ts";
 * console.log(wgslOf(["attention", "--head-dim", "32"]).includes("fn main")); // true
 * ```
 */
export function wgslOf(args: readonly string[]): string {
  const names = [...Object.keys(NUMBERS), ...Object.keys(WORDS), ...FLAGS];
  const parsed = parseArgs(args, {
    string: [...Object.keys(NUMBERS), ...Object.keys(WORDS)],
    boolean: FLAGS,
    default: { ...NUMBERS, ...WORDS },
    unknown: (arg, key) => {
      if (key === undefined) return true;
      throw new InputError(`${arg} is no option; the nearest one is --${closestString(key, names)}.`);
    },
  });
  if (parsed.help) return HELP;
  const kernel = String(parsed._[0] ?? "");
  requireInput(
    KERNELS.includes(kernel),
    () => `The kernel is "${kernel}"; it should be one of ${KERNELS.join(", ")}.`,
  );
  const number = (name: string) => {
    const value = Number(parsed[name]);
    requireInput(
      Number.isInteger(value) && value > 0,
      () => `--${name} is "${parsed[name]}"; it should be a positive whole number.`,
    );
    return value;
  };
  const headDim = number("head-dim"), valueDim = parsed["value-dim"] ? number("value-dim") : headDim;
  requireInput(
    [headDim, valueDim].every((dim) => dim % 8 === 0 && dim <= 256),
    () => `--head-dim is ${headDim} and --value-dim ${valueDim}; they should be multiples of 8 up to 256.`,
  );
  requireInput(
    parsed.dtype === "f32" || parsed.dtype === "f16",
    () => `--dtype is "${parsed.dtype}"; it should be f32 or f16.`,
  );
  const dtype = parsed.dtype as "f32" | "f16";
  if (kernel === "pyramid") {
    return pyramidOf(String(parsed.levels), { headDim, dtype, blockN: number("block-n") });
  }
  if (kernel === "importance") {
    const unroll = parsed["no-subgroups"] !== true, workgroupMemory = number("workgroup-memory");
    return scoreCode({ headDim, dtype, parts: number("stride"), unroll, workgroupMemory });
  }
  const options: AttentionKernelOptions = {
    shape: { headDim, valueDim },
    ...{ blockM: number("block-m"), dtype },
    group: groupTokens(
      levelsOfLayout(layoutOf(String(parsed.levels), number("block-n"))),
      number("block-n"),
    ),
    ...{ dense: parsed.dense === true, causal: parsed.causal === true, partial: parsed.partial === true },
  };
  const device = {
    ...{ subgroupSize: parsed["no-subgroups"] === true ? 0 : 32, subgroupDirective: "" },
    limits: { maxComputeWorkgroupStorageSize: number("workgroup-memory") },
  };
  requireInput(
    [16, 32, 64, 128].includes(options.blockM),
    () => `--block-m is ${options.blockM}; it should be 16, 32, 64 or 128.`,
  );
  return attentionCode(device, options);
}

function pyramidOf(
  levels: string,
  { headDim, dtype, blockN }: {
    readonly headDim: number;
    readonly dtype: "f32" | "f16";
    readonly blockN: number;
  },
): string {
  return pyramidCode({ layout: layoutOf(levels, blockN), heads: 1, dim: headDim, dtype, tail: "exact" });
}

/** Where the levels that are asked for would lie. */
function layoutOf(levels: string, blockN: number): PyramidLayout {
  const listed = levels.split(",").map(Number);
  requireInput(
    listed.some((level) => level > 1) && listed.every((level) => blockN % level === 0),
    () => `--levels is "${levels}"; it should list powers of two that divide ${blockN}, one of them above 1.`,
  );
  return pyramidLayout(1, { seqK: 128, blockN, levels: listed, tail: "exact" });
}

if (import.meta.main) await runCommand(() => console.log(wgslOf(Deno.args)));
