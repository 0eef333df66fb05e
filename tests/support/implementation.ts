/**
 * Which WebGPU the tests of kernels run on: the built-in one, or, with PSA_WEBGPU=dawn, Dawn from the package `webgpu`.
 *
 * @module
 */
import type { Gpu } from "../../kernels/device/gpu.ts";
import { openGpu } from "../../kernels/device/open.ts";
import { leaveOut } from "./skip.ts";

/** The package that Dawn comes in; it is not among the imports of the project, which does not need it. */
const DAWN = "npm:webgpu@0.6.2";
/** Where a driver in software lies that Dawn takes: it refuses Mesa's of 2022. */
const SWIFTSHADER = "/usr/lib/chromium/vk_swiftshader_icd.json";

/** What the package `webgpu` exports. */
interface Dawn {
  create(options: readonly string[]): GPU;
}

let dawn: GPU | undefined;

/** Whether the tests run on Dawn. */
export const ON_DAWN = Deno.env.get("PSA_WEBGPU") === "dawn";

/** Opens the device that tests run on. */
export async function openTestGpu(): Promise<Gpu> {
  if (!ON_DAWN) return await openGpu();
  dawn ??= await loadDawn();
  return await openGpu({ gpu: dawn });
}

/** Whether a test of halves has to be left out, since Dawn's adapter lacks them; says so. */
export function lacksHalves(gpu: Gpu, what: string): boolean {
  const lacks = ON_DAWN && !gpu.has("shader-f16");
  if (lacks) leaveOut(what, `no shader-f16 on ${gpu.info.description}`);
  return lacks;
}

/** Dawn, on the machine's own driver or else in software. */
async function loadDawn(): Promise<GPU> {
  const { create } = await import(DAWN) as Dawn;
  const open = () => create(["backend=vulkan"]);
  if (await open().requestAdapter() === null) Deno.env.set("VK_DRIVER_FILES", SWIFTSHADER);
  return open();
}
