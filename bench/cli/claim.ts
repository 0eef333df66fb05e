/**
 * `deno task claim`: where the pyramid has less error than binary masks and than each other method, at equal density
 * and at equal time, over all traces and workloads.
 *
 * @module
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rewriteClaim, runClaim } from "../claim/claim.ts";
import { planClaim } from "../claim/plan.ts";
import { BACKEND, openChosen, UNGUARDED } from "../options/device.ts";
import { FILES, GRID, HEADS, PRESET, requirePresetOptions } from "../options/model.ts";
import { requireName } from "../options/reader.ts";
import type { SweepRow } from "../sweep/rows/columns.ts";
import { isFault } from "../sweep/rows/status.ts";
import { readShard } from "../sweep/options/options.ts";
import { listCases } from "../sweep/sweep.ts";
import { type Command, EXIT } from "./command.ts";
import { Interruption } from "./signals.ts";

/**
 * The default folder of the page: the docs of a checkout; elsewhere, and for a model, the folder of the
 * rows.
 */
function pageFolder(isModel: boolean): string {
  const docs = new URL("../../docs", import.meta.url);
  return docs.protocol === "file:" && !isModel ? fileURLToPath(docs) : join("results", "claim");
}

/** The options of the requested model; undefined without a model. */
function modelOf(given: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> | undefined {
  requirePresetOptions(given, { needPreset: OF_MODEL });
  if (given.preset === undefined) return undefined;
  return Object.fromEntries(Object.entries(given).filter(([name]) => ["preset", ...OF_MODEL].includes(name)));
}

const OF_MODEL = ["heads", "grid", "input", "layers"];

/** The command. */
export const command: Command = {
  help: {
    name: "claim",
    usage: "[options]",
    about: [
      "Where does the pyramid have less error than binary masks, and than each other method, at equal density and at " +
      "equal time? All traces and workloads are run head by head, in every order they can have, and docs/claim.md is " +
      "written with its plots (half an hour on two cores).",
    ],
    examples: ["deno task claim --quick --out results/claim", "deno task claim"],
    options: [
      {
        name: "out",
        value: "DIR",
        help: "folder of rows, claim.md and pictures (results/claim and docs)",
      },
      { name: "quick", value: "", help: "short workloads alone, at two densities (a minute)" },
      { name: "filter", value: "TEXT", help: "only cases whose canonical string matches" },
      { name: "resume", value: "", help: "continue the claim in --out" },
      { name: "force", value: "", help: "replace the claim in --out" },
      {
        name: "from",
        value: "DIR",
        help: "write the page from the rows of an earlier claim; once for each shard",
        many: true,
      },
      {
        name: "shard",
        value: "I/N",
        help: "only part I of N of the heads, without a page; then --from all parts",
      },
      { name: "list", value: "", help: "list the cases and their number, run nothing" },
      { ...PRESET, help: `one model at its real size, and no other input: ${PRESET.help}` },
      HEADS,
      GRID,
      ...FILES,
      { name: "truth", value: "T", help: "auto, cpu or gpu (float64 on the device) (auto)" },
      BACKEND,
      UNGUARDED,
      { name: "no-gpu", value: "", help: "run only the float64 reference: no times" },
    ],
    exits: "a kernel exceeds its bound, whatever the verdict",
  },
  async run({ read, given }) {
    const out = read.text("out", "") || null, from = read.texts("from"), list = read.flag("list");
    const model = modelOf(given), page = out ?? pageFolder(model !== undefined);
    if (from.length > 0) return exitOf(await rewriteClaim(from, page));
    using interruption = new Interruption();
    using gpu = read.flag("no-gpu") || list ? null : await openChosen(read);
    const truth = requireName("truth", read.text("truth", "auto"), ["auto", "cpu", "gpu"]);
    const request = {
      quick: read.flag("quick"),
      filter: read.text("filter", ""),
      truth,
      model,
      shard: readShard(read.text("shard", "1/1")),
    };
    const plan = await planClaim(request, { gpu });
    if (list) return listCases(plan);
    const asked = { out, resume: read.flag("resume"), force: read.flag("force") };
    const rows = await runClaim(plan, { gpu, page, ...asked, stop: interruption.signal });
    interruption.exit();
    return exitOf(rows);
  },
};

function exitOf(rows: readonly SweepRow[]): number {
  return rows.some(isFault) ? EXIT.wrong : EXIT.right;
}
