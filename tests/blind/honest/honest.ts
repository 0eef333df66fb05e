/**
 * Runs honest kernels in C on hard data and prints what the judge says of them: none may be called wrong.
 *
 *   deno run -A tests/blind/honest/honest.ts [--filter WORDS] [--captures FOLDER]
 *
 * @module
 */
import { parseArgs } from "../../../bench/std/std.ts";
import { compileC, ROOT } from "../mistakes/kernel.ts";
import { HARD, type HardCall, hardCall, type Storage } from "./data.ts";
import { judgeOutputs, type Truth, truthOf, type Verdict } from "./judging.ts";
import { captureFile, HONEST, runHonest, writeInputs } from "./kernels.ts";

/** Which pairs of kernel and data are run, and whether captures are kept. */
export interface HonestOptions {
  readonly kernels?: readonly string[];
  readonly data?: readonly string[];
  /** Where captures are written; nowhere if it is missing. */
  readonly captures?: string;
}

/** A call whose inputs lie on disk, with its truth. */
interface Prepared {
  readonly call: HardCall;
  readonly truth: Truth;
  readonly stem: string;
}

/**
 * Runs honest kernels on hard data.
 *
 * @returns a verdict for each pair, or why there is none
 */
export async function runAllHonest(options: HonestOptions = {}): Promise<Verdict[] | string> {
  const folder = await Deno.makeTempDir();
  try {
    const program = `${folder}/honest`;
    for (const [sources, name] of [["c", program], ["odd", `${program}-odd`]]) {
      const why = await compileC(`${ROOT}tests/blind/honest/${sources}`, name);
      if (why !== null) return why;
    }
    return await verdicts(program, folder, options);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function verdicts(program: string, folder: string, options: HonestOptions): Promise<Verdict[]> {
  const found: Verdict[] = [], kernels = options.kernels ?? Object.keys(HONEST);
  for (const data of options.data ?? Object.keys(HARD)) {
    const prepared = new Map<Storage, Prepared>();
    for (const kernel of kernels) {
      const way = HONEST[kernel], stem = `${folder}/${way.storage}`;
      if (!prepared.has(way.storage)) prepared.set(way.storage, await prepare(data, way.storage, stem));
      const { call, truth } = prepared.get(way.storage)!;
      const outputs = await runHonest(program, way, { call, stem, to: `${folder}/given` });
      found.push(judgeOutputs({ kernel, data }, outputs, truth, way));
      if (options.captures !== undefined) {
        const name = `${kernel} on ${data}`.replaceAll(/[^a-z0-9]+/gi, "-");
        const { bytes } = captureFile(call, outputs, way.storage);
        await Deno.writeFile(`${options.captures}/${name}.safetensors`, bytes);
      }
    }
  }
  return found;
}

async function prepare(data: string, storage: Storage, stem: string): Promise<Prepared> {
  const call = hardCall(data, storage);
  await writeInputs(stem, call);
  return { call, truth: truthOf(call, storage), stem };
}

/** Verdicts as a table: kernels x data, with the share of the bound in percent. */
export function table(all: readonly Verdict[]): string {
  const data = [...new Set(all.map((one) => one.data))], kernels = [...new Set(all.map((one) => one.kernel))];
  const cell = (one?: Verdict) =>
    one === undefined
      ? ""
      : one.verdict === "unjudged"
      ? "-"
      : `${one.verdict === "wrong" ? "WRONG " : ""}${percent(one)}`;
  const rows = data.map((name) => [
    name,
    ...kernels.map((kernel) => cell(all.find((one) => one.data === name && one.kernel === kernel))),
  ]);
  return [["data", ...kernels], kernels.map(() => "---").concat("---"), ...rows]
    .map((row) => `| ${row.join(" | ")} |`).join("\n");
}

const percent = ({ share }: Verdict) => Number.isFinite(share) ? `${Math.round(share * 100)} %` : `${share}`;

if (import.meta.main) {
  const parsed = parseArgs(Deno.args, {
    string: ["filter", "captures"],
    default: { filter: "", captures: "" },
  });
  const filter = String(parsed.filter), captures = String(parsed.captures) || undefined;
  if (captures !== undefined) await Deno.mkdir(captures, { recursive: true });
  const data = Object.keys(HARD).filter((name) => name.includes(filter));
  const all = await runAllHonest({ data, captures });
  if (typeof all === "string") console.log(`nothing was run: ${all}`);
  else {
    console.log(table(all));
    const count = (verdict: string) => all.filter((one) => one.verdict === verdict).length;
    console.log(`\n${count("right")} right, ${count("wrong")} wrong, ${count("unjudged")} unjudged`);
    Deno.exitCode = count("wrong") > 0 ? 1 : 0;
  }
}
