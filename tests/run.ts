/**
 * `deno task test`: runs `deno test` with the arguments that are given, and says at the end what was skipped and why.
 * Where CI=true, a skip that is not allowed there (tests/support/skips.ts) makes the run fail.
 *
 * @module
 */
import { runInstead } from "../bench/cli/child.ts";
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

if (import.meta.main) {
  const colour: Record<string, string> = Deno.stdout.isTerminal() && !Deno.noColor
    ? { FORCE_COLOR: "1" }
    : {};
  let lines: string[] = [];
  const code = await runInstead(["test", ...Deno.args], {
    env: colour,
    read: async (stdout) => void (lines = await passOn(stdout, Deno.stdout)),
  });
  const skips = skipsOf(lines);
  console.log(summaryOf(skips));
  const forbidden = Deno.env.get("CI") === "true" ? forbiddenSkips(skips) : [];
  for (const { name, lack } of forbidden) console.log(`This may not be skipped in CI: ${name}: ${lack}`);
  Deno.exit(code || (forbidden.length > 0 ? 1 : 0));
}
