/**
 * `deno task sweep`: correctness and speed of PSA across sparsity levels.
 *
 * @module
 */
import { openGpu } from "../../kernels/device/open/open.ts";
import { METHODS } from "../../reference/methods/mod.ts";
import { sweepHelp } from "../sweep/options/option_list.ts";
import { optionsOf } from "../sweep/options/options.ts";
import { planSweep } from "../sweep/plan/plan.ts";
import { listCases, runSweep } from "../sweep/sweep.ts";
import { isFault } from "../sweep/rows/status.ts";
import { say } from "../text/output.ts";
import { type Command, EXIT } from "./command.ts";
import { Interruption } from "./signals.ts";

const METHOD_NAMES = METHODS.map(({ name }) => name);

/** The command. */
export const command: Command = {
  help: sweepHelp(METHOD_NAMES),
  async run(line) {
    const options = optionsOf(line, METHOD_NAMES), { backend, robust } = options;
    using interruption = new Interruption();
    using gpu = options.gpu && !options.list ? await openGpu({ backend, robust }) : null;
    const plan = await planSweep(options, { gpu });
    plan.leftOut.forEach((sentence) => say(sentence, "stderr"));
    if (options.list) return listCases(plan);
    const rows = await runSweep(plan, { options, gpu, stop: interruption.signal });
    interruption.exit();
    return rows.some(isFault) ? EXIT.wrong : EXIT.right;
  },
};
