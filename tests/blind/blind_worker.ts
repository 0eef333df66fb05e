/** The worker of `deno task blind`: one mistake, or all honest kernels on one set of data. */
import { InputError } from "../../mod.ts";
import { answerWith } from "../support/spread.ts";
import { runAllHonest } from "./honest/honest.ts";
import { type BlindPaths, measure } from "./measure.ts";

/** A piece of work. */
export type BlindWork = { readonly number: number } | { readonly data: string };

answerWith(async ({ work, paths }: { readonly work: BlindWork; readonly paths: BlindPaths }) => {
  if ("number" in work) return await measure(work.number, paths);
  const verdicts = await runAllHonest({ data: [work.data] });
  if (typeof verdicts === "string") throw new InputError(`Nothing can be measured: ${verdicts}.`);
  return verdicts;
});
