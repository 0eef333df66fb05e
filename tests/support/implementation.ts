/**
 * Which WebGPU the tests of kernels run on: the built-in one, with PSA_WEBGPU=dawn Dawn from the package `webgpu`, and with
 * PSA_WEBGPU=emulated, or emulated:8x8x8, the built-in one with matrix units that are emulated.
 *
 * @module
 */
import { openDawn } from "../../kernels/device/open/dawn.ts";
import { MATRIX_SHAPES } from "../../kernels/device/probe/matrices.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { openGpu } from "../../kernels/device/open/open.ts";
import { emulatedMatrices } from "./emulated_matrices.ts";
import { leaveOut } from "./skip.ts";

/** Where a driver in software lies that Dawn takes: it refuses Mesa's of 2022. */
const SWIFTSHADER = "/usr/lib/chromium/vk_swiftshader_icd.json";

/** Whether the tests run on Dawn. */
export const ON_DAWN = Deno.env.get("PSA_WEBGPU") === "dawn";

/** Opens the device that tests run on. */
export async function openTestGpu(): Promise<Gpu> {
  const [name, product] = Deno.env.get("PSA_WEBGPU")?.split(":") ?? [];
  if (name === "emulated") {
    return await openGpu({ gpu: emulatedMatrices(MATRIX_SHAPES), matrices: product ?? true });
  }
  if (!ON_DAWN) return await openGpu();
  if (!Deno.env.has("VK_DRIVER_FILES") && await (await openDawn()).requestAdapter() === null) {
    Deno.env.set("VK_DRIVER_FILES", SWIFTSHADER);
  }
  return await openGpu({ backend: "dawn" });
}

/** Whether a test of halves has to be left out, since Dawn's adapter lacks them; says so. */
export function lacksHalves(gpu: Gpu, what: string): boolean {
  const lacks = ON_DAWN && !gpu.has("shader-f16");
  if (lacks) leaveOut(what, `no shader-f16 on ${gpu.info.description}`);
  return lacks;
}
