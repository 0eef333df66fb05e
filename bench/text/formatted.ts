/**
 * Pages in the layout that `deno fmt` gives them.
 *
 * @module
 */

/**
 * Markdown as the formatter of the project wants it; as it is, where the formatter cannot be run.
 *
 * @param markdown the page
 *
 * @example
 * ```ts
 * import { formatted } from "./formatted.ts";
 * console.log((await formatted("*  one")).trim()); // - one
 * ```
 */
export async function formatted(markdown: string): Promise<string> {
  const args = ["fmt", "--no-config", "--line-width", "110", "--ext", "md", "-"];
  const options = { args, stdin: "piped", stdout: "piped", stderr: "piped" } as const;
  const child = new Deno.Command(Deno.execPath(), options).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(markdown));
  await writer.close();
  const { success, stdout } = await child.output();
  return success ? new TextDecoder().decode(stdout) : markdown;
}
