/**
 * `deno task test`: runs `deno test` with the arguments that are given, and says at the end what was skipped and why. The
 * path `.` stands for all tests, in groups (tests/support/groups.ts). Where CI=true, a skip that is not allowed there (tests/support/skips.ts) makes the run fail.
 *
 * @module
 */
import { runInstead } from "../bench/cli/child.ts";
import { groupsOf, testFiles, writeGroups } from "./support/groups.ts";
import { forbiddenSkips, skipsOf, summaryOf } from "./support/skips.ts";

/** Passes lines on as they come, and keeps them without colours. */
async function passOn(stream: ReadableStream<Uint8Array>, to: typeof Deno.stdout): Promise<string[]> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of stream) {
    for (let at = 0; at < bytes.length;) at += await to.write(bytes.subarray(at));
    text += decoder.decode(bytes, { stream: true });
  }
  // deno-lint-ignore no-control-regex
  return text.replaceAll(/\x1b\[[\d;]*m/g, "").split("\n");
}

/** The arguments of `deno test`, with the modules of all groups in the place of the path `.`. */
function withGroups(args: readonly string[], folder: string): string[] {
  const root = Deno.cwd();
  const ignore = args.flatMap((arg) => /^--ignore=(.*)$/.exec(arg)?.[1].split(",") ?? []);
  const groups = () => writeGroups(groupsOf(testFiles(root, { ignore })), root, folder);
  return args.flatMap((arg) => arg === "." ? groups() : [arg]);
}

if (import.meta.main) {
  const colour: Record<string, string> = Deno.stdout.isTerminal() && !Deno.noColor
    ? { FORCE_COLOR: "1" }
    : {};
  let lines: string[] = [];
  const folder = await Deno.makeTempDir({ prefix: "psa-tests-" });
  const code = await runInstead(["test", ...withGroups(Deno.args, folder)], {
    env: colour,
    read: async (stdout) => void (lines = await passOn(stdout, Deno.stdout)),
  }).finally(() => Deno.remove(folder, { recursive: true }));
  const skips = skipsOf(lines);
  console.log(summaryOf(skips));
  const forbidden = Deno.env.get("CI") === "true" ? forbiddenSkips(skips) : [];
  for (const { name, lack } of forbidden) console.log(`This may not be skipped in CI: ${name}: ${lack}`);
  Deno.exit(code || (forbidden.length > 0 ? 1 : 0));
}
