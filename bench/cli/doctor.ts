/**
 * `deno task doctor`: the hardware and software of this machine, and what each command does on it. It changes nothing.
 *
 * @module
 */
import { commandOutlooks } from "../doctor/commands.ts";
import { examineMachine } from "../doctor/machine.ts";
import { doctorText } from "../doctor/text.ts";
import { jsonLine, say } from "../text/output.ts";
import { type Command, EXIT } from "./command.ts";

/** The command. */
export const command: Command = {
  help: {
    name: "doctor",
    usage: "[--json]",
    about: [
      "Prints what this machine has (adapter, features, limits, Dawn, Chromium, memory), and what each command does on it. Nothing is installed or changed.",
    ],
    examples: ["deno task doctor", "deno task doctor --json"],
    options: [{ name: "json", value: "", help: "print one JSON object" }],
    exits: "no adapter can run kernels",
  },
  async run({ read }) {
    const machine = await examineMachine();
    const osRelease = await Deno.readTextFile("/etc/os-release").catch(() => "");
    const isRoot = Deno.build.os !== "windows" && Deno.uid() === 0;
    const commands = commandOutlooks(machine, { osRelease, isRoot });
    say(read.flag("json") ? jsonLine({ ...machine, commands }) : doctorText(machine, commands));
    return machine.builtin.device === null ? EXIT.wrong : EXIT.right;
  },
};
