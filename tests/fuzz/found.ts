/**
 * Cases that once failed, a small file each: tests run them from then on.
 *
 * @module
 */
import type { Finding } from "./target.ts";

/** The folder of the files. */
const FOLDER = new URL("./found/", import.meta.url);

/** Writes a finding to a file; its name. */
export async function saveFinding(finding: Finding): Promise<string> {
  const text = JSON.stringify(finding, null, 1) + "\n";
  const digest = await crypto.subtle.digest(
    "SHA-256",
    new TextEncoder().encode(JSON.stringify(finding.given)),
  );
  const hash = Array.from(new Uint8Array(digest, 0, 4), (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
  const name = `${finding.target}-${hash}.json`;
  await Deno.mkdir(FOLDER, { recursive: true });
  await Deno.writeTextFile(new URL(name, FOLDER), text);
  return name;
}

/** All that was found up to now, by file name. */
export async function savedFindings(): Promise<(Finding & { readonly file: string })[]> {
  const found = [];
  await Deno.mkdir(FOLDER, { recursive: true });
  for await (const { name } of Deno.readDir(FOLDER)) {
    if (!name.endsWith(".json")) continue;
    found.push({ file: name, ...JSON.parse(await Deno.readTextFile(new URL(name, FOLDER))) as Finding });
  }
  return found.sort((a, b) => a.file < b.file ? -1 : 1);
}
