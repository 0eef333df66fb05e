/**
 * Chromium, for what has to be looked at or run in a browser.
 *
 * @module
 */
import puppeteer, { type Browser } from "puppeteer-core";

/** What to do where there is no Chromium. */
export const NO_CHROMIUM = "no Chromium here; install Debian's package `chromium`";

/** Flags with which Chromium offers WebGPU in software. */
export const SOFTWARE_WEBGPU: readonly string[] = [
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
];

/** Where Chromium is, or null. */
export async function findChromium(): Promise<string | null> {
  for (const path of ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]) {
    if (await Deno.stat(path).then(() => true, () => false)) return path;
  }
  return null;
}

/** Starts Chromium; who starts it closes it. */
export function startChromium(executablePath: string, flags: readonly string[] = []): Promise<Browser> {
  return puppeteer.launch({ executablePath, args: ["--no-sandbox", ...flags] });
}
