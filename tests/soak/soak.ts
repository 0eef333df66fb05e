/**
 * `deno task soak`: calls, faults, wrong arguments and fuzzing for an hour, all mixed. Every call has to give the bits
 * that it gave the first time, every fault the error of its kind, and memory has to come back. Exit code 1 if not.
 *
 * @module
 */
import { perform, runCommand } from "../../bench/cli/command.ts";
import type { CommandHelp, CommandLine } from "../../bench/options/command_line.ts";
import { say } from "../../bench/text/output.ts";
import { soak } from "./run.ts";

const HELP: CommandHelp = {
  name: "soak",
  usage: "[options]",
  about: ["Calls, faults, wrong arguments and fuzzing, mixed at random, with memory watched."],
  examples: ["deno task soak --minutes 5"],
  options: [
    { name: "minutes", value: "N", help: "how long (60)" },
    { name: "seed", value: "N", help: "seed of everything random (of the clock)" },
    { name: "fast", value: "", help: "without fuzzing, which takes most of the time" },
  ],
  exits: "something went wrong",
};

/** Megabytes that the process may grow by in the second half of a soak: by then a device has all kernels that it keeps. */
const MOST_GROWTH = 300;

/** Soaks, and tells. */
async function run({ read }: CommandLine): Promise<number> {
  const minutes = read.between("minutes", [0, 1e5], 60), seed = read.whole("seed", Date.now() % 2 ** 31);
  say(`seed ${seed}, ${minutes} minutes`);
  const goesOn = (_: number, seconds: number) => seconds < 60 * minutes;
  const { counts, failures, megabytes, moves, seconds } = await soak({
    ...{
      seed,
      goesOn,
      without: read.flag("fast") ? ["fuzzes"] : [],
      onProgress: (sentence: string) => say(sentence),
    },
  });
  for (const [name, count] of [...counts].sort()) say(`${name.padEnd(28)} ${count}`);
  const half = Math.floor(megabytes.length / 2), [first, last] = [megabytes[half], megabytes.at(-1)!];
  say(`${moves} moves in ${Math.round(seconds)} seconds, ${failures.length} failures`);
  say(`memory of the process: ${first} MB after half of the time, ${last} MB at the end`);
  return failures.length === 0 && last - first <= MOST_GROWTH ? 0 : 1;
}

if (import.meta.main) await runCommand(() => perform({ help: HELP, run }, Deno.args));
