/**
 * Dawn for tests: installed where it can be, which takes seconds.
 *
 * @module
 */
import { DAWN_PACKAGE, findDawn } from "../../kernels/device/open/dawn.ts";
import type { Need } from "./skip.ts";

/** Installs Dawn's package if it is not there. */
export async function dawnNeed(): Promise<Need> {
  if (await findDawn() === undefined) {
    const args = ["cache", "-q", "--no-lock", `npm:${DAWN_PACKAGE}`];
    const cwd = new URL("../../", import.meta.url);
    await new Deno.Command(Deno.execPath(), { args, cwd, stdout: "null", stderr: "null" }).output();
  }
  return { here: await findDawn() !== undefined, lack: "no Dawn here" };
}
