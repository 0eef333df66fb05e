/** Times of a sweep: every kernel runs once before it is timed, so no time includes compiling. */
import { METHODS } from "../../../../reference/methods/mod.ts";
import { type PreparedCall, Psa } from "../../../../mod.ts";
import { parseOptions } from "../../../../bench/sweep/options/options.ts";
import { planSweep } from "../../../../bench/sweep/plan/plan.ts";
import { runInput } from "../../../../bench/sweep/run/run.ts";
import { assert, assertEquals } from "../../../support/assert.ts";
import { gpuTest } from "../../../support/stage_case.ts";

const ARGS =
  "--workload gaussian --seq 80 --dim 24 --densities .5 --block-m 32 --block-n 16 --tile 16 --seconds .2 --methods psa";

gpuTest(
  "sweep: without dense attention among the methods, its call has run before it is timed",
  async (gpu) => {
    const options = parseOptions(ARGS.split(" "), METHODS.map(({ name }) => name));
    const { inputs: [{ source, part, cases, options: variant }] } = await planSweep(options, { gpu });
    const said: string[] = [], own = Psa.prototype.prepare;
    const noted = ({ run, time, forward, ...rest }: PreparedCall, name: string): PreparedCall => {
      const note = <Args extends unknown[], Result>(what: string, work: (...args: Args) => Result) =>
      (
        ...args: Args
      ) => {
        said.push(`${name} ${what}`);
        return work(...args);
      };
      return {
        ...rest,
        run: note("runs", run),
        forward: note("runs", forward),
        time: note("is timed", time),
      };
    };
    Psa.prototype.prepare = async function (given) {
      return noted(await own.call(this, given), given === "dense" ? "dense" : "levels");
    };
    try {
      const context = { options: variant, gpu, onProgress: () => {} };
      const { rows: [row] } = await runInput((await source.load())[part], cases, context);
      assert(Number.isFinite(row.speedup));
    } finally {
      Psa.prototype.prepare = own;
    }
    for (const name of ["dense", "levels"]) {
      assertEquals(said.find((each) => each.startsWith(name)), `${name} runs`, said.join());
      assert(said.includes(`${name} is timed`));
    }
  },
);
