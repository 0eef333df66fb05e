/**
 * `deno task wgsl`: prints the WGSL of a kernel for a shape.
 *
 *     deno task wgsl attention --head-dim 128 --dtype f16 --causal
 *     deno task wgsl pyramid --levels 2,8
 *     deno task wgsl importance --stride 8
 *
 * @module
 */
import { attentionCode, type AttentionKernelOptions } from "../../kernels/attention/variant.ts";
import { pyramidCode } from "../../kernels/pyramid/pyramid.ts";
import { groupTokens } from "../../kernels/lists/entry.ts";
import { scoreCode } from "../../kernels/importance/kernel.ts";
import { MATRIX_NAMES, MATRIX_SHAPES, matrixName } from "../../kernels/device/probe/matrices.ts";
import { levelsOfLayout, type PyramidLayout, pyramidLayout } from "../../kernels/pyramid/layout.ts";
import { requireInput } from "../../reference/errors.ts";
import { type CommandHelp, type CommandLine, helpOf, readCommandLine } from "../options/command_line.ts";
import { requireName } from "../options/reader.ts";
import { say } from "../text/output.ts";
import type { Command } from "./command.ts";

const KERNELS = ["attention", "pyramid", "importance"];

const HELP: CommandHelp = {
  name: "wgsl",
  usage: `${KERNELS.join("|")} [options]`,
  about: ["Prints the WGSL of a kernel, as it is compiled for a device."],
  examples: [
    "deno task wgsl attention --head-dim 128 --dtype f16 --causal",
    "deno task wgsl pyramid --levels 2,8",
  ],
  options: [
    { name: "head-dim", value: "N", help: "head dimension (64)" },
    { name: "value-dim", value: "N", help: "value dimension (as --head-dim)" },
    { name: "block-m", value: "N", help: "query block: 16, 32, 64 or 128 (128)" },
    { name: "block-n", value: "N", help: "key block: 16, 32, 64 or 128 (64)" },
    { name: "dtype", value: "T", help: "f32 or f16 (f32)" },
    { name: "levels", value: "L,L,…", help: "levels of the pyramid (1,2,4,8)" },
    { name: "dense", value: "", help: "every level is 1" },
    { name: "causal", value: "", help: "a query sees only keys up to its own position" },
    { name: "partial", value: "", help: "some pooled token stands for fewer tokens than its level" },
    {
      name: "stride",
      value: "N",
      help: "importance: tokens that make one row, the stride of antidiagonal (1)",
    },
    {
      name: "no-subgroups",
      value: "",
      help: "by workgroup memory only, and with loops, as software devices get it",
    },
    {
      name: "matrices",
      value: "",
      help: "by matrix units, as devices that have them get it (f16)",
    },
    { name: "matrix", value: "MxNxK", help: "the product of --matrices (16x16x16)" },
    { name: "workgroup-memory", value: "N", help: "bytes that the device has (49152)" },
  ],
  words: [0, 1],
  wordsAre: "wgsl takes one kernel",
};

/** The command. */
export const command: Command = { help: HELP, run: (line) => say(textOf(line)) };

/**
 * The WGSL that a command line asks for.
 *
 * @param args the arguments
 * @throws {InputError} if an option is wrong
 *
 * @example
 * ```ts
 * import { wgslOf } from "./wgsl.ts";
 * console.log(wgslOf(["attention", "--head-dim", "32"]).includes("fn main")); // true
 * ```
 */
export function wgslOf(args: readonly string[]): string {
  const line = readCommandLine(args, HELP);
  return line.help ? helpOf(HELP) : textOf(line);
}

function textOf({ words: [kernel = ""], read }: CommandLine): string {
  requireInput(
    KERNELS.includes(kernel),
    () => `The kernel is "${kernel}"; it should be one of ${KERNELS.join(", ")}.`,
  );
  const headDim = read.count("head-dim", 64), valueDim = read.count("value-dim", headDim);
  requireInput(
    [headDim, valueDim].every((dim) => dim % 8 === 0 && dim <= 256),
    () => `--head-dim is ${headDim} and --value-dim ${valueDim}; they should be multiples of 8 up to 256.`,
  );
  const dtype = requireName("dtype", read.text("dtype", "f32"), ["f32", "f16"]);
  const levels = read.text("levels", "1,2,4,8"), blockN = read.count("block-n", 64);
  const name = requireName("matrix", read.text("matrix", MATRIX_NAMES[0]), MATRIX_NAMES);
  const matrix = MATRIX_SHAPES.find((each) => matrixName(each) === name)!;
  const workgroupMemory = read.count("workgroup-memory", 49152);
  const device = {
    ...{ subgroupSize: read.flag("no-subgroups") ? 0 : 32, subgroupDirective: "" },
    matrices: read.flag("matrices") ? matrix : null,
    limits: { maxComputeWorkgroupStorageSize: workgroupMemory },
  };
  if (kernel === "pyramid") return pyramidOf(levels, { headDim, dtype, blockN });
  if (kernel === "importance") {
    const parts = read.count("stride", 1), unroll = !read.flag("no-subgroups");
    const columns = blockN / (parts === 1 ? 4 : parts), sums = parts > 1;
    return scoreCode(device, { headDim, dtype, parts, unroll, columns, sums });
  }
  const options: AttentionKernelOptions = {
    shape: { headDim, valueDim },
    ...{ blockM: read.count("block-m", 128), dtype },
    group: groupTokens(levelsOfLayout(layoutOf(levels, blockN)), blockN),
    ...{ dense: read.flag("dense"), causal: read.flag("causal"), partial: read.flag("partial") },
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
  return pyramidCode({
    layout: layoutOf(levels, blockN),
    heads: 1,
    dims: { k: headDim, v: headDim },
    dtype,
    tail: "exact",
  });
}

/** The places of the requested levels. */
function layoutOf(levels: string, blockN: number): PyramidLayout {
  const listed = levels.split(",").map(Number);
  requireInput(
    listed.some((level) => level > 1) && listed.every((level) => blockN % level === 0),
    () => `--levels is "${levels}"; it should list powers of two that divide ${blockN}, one of them above 1.`,
  );
  return pyramidLayout(1, { seqK: 128, blockN, levels: listed, tail: "exact" });
}
