/**
 * `deno task bench:gpu`: how fast attention runs on this GPU, dense and over the pyramid, how its cost grows, and what
 * comes before it.
 *
 * @module
 */
import { requireInput } from "../../reference/errors.ts";
import { type BenchPart, PARTS, runBench } from "../gpu/bench.ts";
import { BACKEND, openChosen, UNGUARDED } from "../options/device.ts";
import type { Command } from "./command.ts";

/** The parts that were asked for. */
function partsOf(names: readonly string[]): readonly BenchPart[] {
  for (const name of names) {
    requireInput(
      (PARTS as readonly string[]).includes(name),
      () => `--parts holds "${name}"; the parts are ${PARTS.join(", ")}.`,
    );
  }
  return PARTS.filter((part) => names.includes(part));
}

/** The command. */
export const command: Command = {
  help: {
    name: "bench:gpu",
    usage: "[options]",
    about: [
      "How fast attention runs on this GPU, dense and over the pyramid, how its cost grows, and what comes before it. " +
      "The parts are",
      "",
      "  table      both widths and types, four densities, smaller key blocks",
      "  densities  time against density, from 1 to .02, with the ideal line",
      "  lengths    time against length, from 1K to eight times --tokens (in",
      "             software to --tokens), with the ideal line",
      "  causal     dense and density .15, and their share of the time of the like that",
      "             is not causal",
      "  numbers    dense attention whose scores are alike, normal, or grow along the",
      "             keys: what a maximum that is fixed beforehand costs",
      "  forward    the whole method against dense attention, at twice --tokens",
      "  stages     each stage of the whole method, at twice --tokens",
    ],
    examples: [
      "deno task bench:gpu --parts table",
      "deno task bench:gpu --tokens 8192 --parts densities,lengths",
    ],
    options: [
      { name: "tokens", value: "N", help: "tokens of a head (16384; 1024 in software)" },
      { name: "parts", value: "LIST", help: `of ${PARTS.join(",")}; all of them` },
      {
        name: "filter",
        value: "TEXT",
        help: "only cases whose canonical string contains it (table, densities, lengths)",
      },
      BACKEND,
      UNGUARDED,
      { name: "json", value: "", help: "one JSON object per line" },
    ],
  },
  async run({ read, given }) {
    const tokens = given.tokens === undefined ? undefined : Number(read.text("tokens", ""));
    requireInput(
      tokens === undefined || Number.isInteger(tokens) && tokens > 0 && tokens % 128 === 0,
      () => `--tokens is "${given.tokens}"; it should be a multiple of 128.`,
    );
    const parts = partsOf(read.list("parts", PARTS.join(",")));
    const options = { tokens, parts, filter: read.text("filter", ""), json: read.flag("json") };
    using gpu = await openChosen(read);
    await runBench(gpu, options);
  },
};
