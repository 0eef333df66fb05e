/**
 * Chromium, for what has to be looked at or run in a browser.
 *
 * @module
 */
import puppeteer, { type Browser } from "puppeteer-core";
export { findChromium } from "../../bench/doctor/chromium.ts";

/** The reason for skipping, and the remedy, where there is no Chromium. */
export const NO_CHROMIUM = "no Chromium here; install Debian's package `chromium`";

/** Flags with which Chromium offers WebGPU in software. */
export const SOFTWARE_WEBGPU: readonly string[] = [
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
];

/** Starts Chromium; who starts it closes it. */
export function startChromium(executablePath: string, flags: readonly string[] = []): Promise<Browser> {
  return puppeteer.launch({ executablePath, args: ["--no-sandbox", ...flags] });
}
