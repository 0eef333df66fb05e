/**
 * Where Chromium is, which tests run kernels and look at reports in.
 *
 * @module
 */

/** Where systems put it. */
const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** The path of Chromium, or null if it is not installed or searching for it is not permitted. */
export async function findChromium(): Promise<string | null> {
  for (const path of PLACES) {
    if (await Deno.stat(path).then(() => true, () => false)) return path;
  }
  return null;
}
