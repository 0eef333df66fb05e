/**
 * `deno task real-shapes`: measures the shapes of real models and writes the tables of docs/real-shapes.md. It
 * is for a checkout, and no command of the package.
 *
 * @module
 */
import type { Gpu } from "../../kernels/device/gpu.ts";
import { requireInput } from "../../reference/errors.ts";
import { BACKEND, openChosen, UNGUARDED } from "../options/device.ts";
import { GRID, HEADS, MODELS } from "../options/model.ts";
import { requireName } from "../options/reader.ts";
import { measureFault } from "../real/fault.ts";
import { withTables } from "../real/page.ts";
import { measurePreset, measurePresetRows } from "../real/presets.ts";
import { type MeasuredRow, withRows } from "../real/rows.ts";
import { measureGpuTruth, measureRowsTruth } from "../real/truth_cost.ts";
import { jsonLine, say } from "../text/output.ts";
import { type Command, perform, runCommand } from "./command.ts";

const PAGE = new URL("../../docs/real-shapes.md", import.meta.url);
const ROWS = new URL("../../docs/real-shapes.json", import.meta.url);
const PARTS = ["presets", "presets-rows", "gpu-truth", "rows-truth", "fault"] as const;
/** Models whose key blocks are so small that the released kernel is wrong. */
const FAULTY = ["Wan2.2-5B", "Wan2.2-A14B"] as const;
const LENGTHS = "4096,8192,16384,32768,65536,131072";

/** The measurements, one row after the other. */
async function* measured(
  part: typeof PARTS[number],
  { models, lengths, heads, grid, gpu }: {
    readonly models: readonly string[];
    readonly lengths: readonly number[];
    readonly heads: number;
    readonly grid?: string;
    readonly gpu: Gpu | null;
  },
): AsyncGenerator<MeasuredRow> {
  switch (part) {
    case "presets":
      for (const model of models) {
        yield await measurePreset(gpu!, { model: requireName("models", model, MODELS), heads, grid });
      }
      return;
    case "presets-rows":
      for (const model of models) {
        yield await measurePresetRows({ model: requireName("models", model, MODELS), heads, grid });
      }
      return;
    case "gpu-truth":
      for (const tokens of lengths) yield await measureGpuTruth(gpu!, tokens);
      return;
    case "rows-truth":
      for (const tokens of lengths) yield await measureRowsTruth(tokens);
      return;
    case "fault":
      for (const tokens of lengths) yield measureFault(null, tokens);
      for (const model of FAULTY.filter((name) => models.includes(name))) yield measureFault(model);
  }
}

/** The rows that were measured before; none if there is no such file. */
async function storedRows(): Promise<MeasuredRow[]> {
  try {
    return JSON.parse(await Deno.readTextFile(ROWS));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** The command. */
export const command: Command = {
  help: {
    name: "real-shapes",
    usage: "[options]",
    about: [
      "Measures the released models at their real shapes and prints a row of JSON for each, or puts rows into " +
      "docs/real-shapes.json and the tables of docs/real-shapes.md. The parts are",
      "",
      "  presets      error, density and time of the six models (a GPU with float64)",
      "  presets-rows error and density of them on sampled rows, on this machine's cores",
      "  gpu-truth    what the truth of all rows costs by length (a GPU with float64)",
      "  rows-truth   what that of sampled rows costs on this machine's cores",
      "  fault        what the released kernel's tile merge costs by length",
    ],
    options: [
      { name: "parts", value: "LIST", help: `of ${PARTS.join(",")}; what to measure (none)` },
      { name: "models", value: "LIST", help: "for presets, presets-rows and fault (all)" },
      { name: "lengths", value: "LIST", help: `tokens, for the other parts (${LENGTHS})` },
      { ...HEADS, help: "query heads of each model at most (6)" },
      GRID,
      {
        name: "rows",
        value: "FILE",
        help: "rows that were measured elsewhere, a JSON object a line",
        many: true,
      },
      {
        name: "write",
        value: "",
        help: "put all rows into docs/real-shapes.json, and the tables into the page",
      },
      BACKEND,
      UNGUARDED,
    ],
  },
  async run({ read }) {
    const parts = read.list("parts", "").map((part) => requireName("parts", part, PARTS));
    const models = read.list("models", MODELS.join(","));
    models.forEach((model) => requireName("models", model, MODELS));
    const lengths = read.list("lengths", LENGTHS).map(Number);
    requireInput(
      lengths.every((tokens) => Number.isInteger(tokens) && tokens > 0),
      () => `--lengths is "${read.text("lengths", "")}"; it should be whole numbers of tokens.`,
    );
    const heads = read.count("heads", 6),
      grid = read.text("grid", "") || undefined,
      added: MeasuredRow[] = [];
    for (const file of read.texts("rows")) {
      const text = await Deno.readTextFile(file);
      added.push(...text.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line)));
    }
    const needsGpu = parts.some((part) => part === "presets" || part === "gpu-truth");
    using gpu = needsGpu ? await openChosen(read) : null;
    for (const part of parts) {
      for await (const row of measured(part, { models, lengths, heads, grid, gpu })) {
        added.push(row);
        say(jsonLine(row));
      }
    }
    if (!read.flag("write")) return;
    const rows = withRows(await storedRows(), added);
    await Deno.writeTextFile(PAGE, withTables(await Deno.readTextFile(PAGE), rows));
    await Deno.writeTextFile(ROWS, `[\n${rows.map((row) => JSON.stringify(row)).join(",\n")}\n]\n`);
  },
};

if (import.meta.main) await runCommand(() => perform(command, Deno.args));
