/**
 * `deno task pictures`: draws the pictures of docs/ from the reference and a trace, as SVG. It is for a checkout, and
 * no command of the package.
 *
 * @module
 */
import { drawPictures } from "../report/pictures/pictures.ts";
import { say } from "../text/output.ts";
import { type Command, perform, runCommand } from "./command.ts";

/** The command. */
export const command: Command = {
  help: {
    name: "pictures",
    usage: "",
    about: ["Draws the pictures of docs/ from the reference and a trace, as SVG."],
    examples: ["deno task pictures"],
    options: [],
  },
  async run() {
    (await drawPictures()).forEach((file) => say(file));
  },
};

if (import.meta.main) await runCommand(() => perform(command, Deno.args));
