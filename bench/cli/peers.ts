/**
 * `deno task bench:peers`: times dense attention of other packages and ours on this GPU.
 *
 * @module
 */
import { requireInput } from "../../reference/errors.ts";
import { BACKEND, openChosen, UNGUARDED } from "../options/device.ts";
import { peerSentence, runPeers } from "../peers/bench.ts";
import { jsonLine, say, write } from "../text/output.ts";
import type { Command } from "./command.ts";

/** The command. */
export const command: Command = {
  help: {
    name: "bench:peers",
    usage: "[options]",
    about: [
      "Times dense attention in float32 of onnxruntime-web and jax-js, if installed, and of this project, after comparing " +
      "each output with the reference. Times are wall-clock times of many calls.",
    ],
    examples: ["deno task bench:peers --tokens 4096"],
    options: [
      { name: "tokens", value: "N", help: "tokens per head (4096; 256 in software)" },
      BACKEND,
      UNGUARDED,
      { name: "json", value: "", help: "one JSON object per line" },
    ],
  },
  async run({ read, given }) {
    const asked = given.tokens === undefined ? undefined : Number(read.text("tokens", ""));
    requireInput(
      asked === undefined || Number.isInteger(asked) && asked > 0,
      () => `--tokens is "${given.tokens}"; it should be a positive whole number.`,
    );
    const json = read.flag("json");
    using gpu = await openChosen(read);
    const tokens = asked ?? (gpu.info.subgroupSize === 0 ? 256 : 4096);
    for await (const row of runPeers(gpu, { tokens })) {
      if (typeof row === "string") say(row, "stderr");
      else if (json) write(jsonLine(row) + "\n");
      else say(peerSentence(row));
    }
  },
};
