/**
 * Dawn, a second implementation of WebGPU: the package `webgpu`, which is optional.
 *
 * @module
 */
import { InputError } from "../../../reference/errors.ts";
import { calmWaits } from "./dawn_wait.ts";

/** The exports of the package `webgpu`. */
export interface DawnPackage {
  /** Opens Dawn with options such as `backend=vulkan`. */
  create(options: readonly string[]): GPU;
}

/** Options of Dawn. */
export interface DawnOptions {
  /** Whether Dawn guards every index of a kernel; default true. */
  readonly robust?: boolean;
  /** The driver that it looks for; default the one of this system. `null` compiles kernels and runs none. */
  readonly driver?: "vulkan" | "metal" | "d3d12" | "null";
}

/** The package and the version that this project is tested with. */
export const DAWN_PACKAGE = "webgpu@0.6.2";

/** Features of Dawn that have to be asked for: kernels with matrices, and halves on NVIDIA. */
const ENABLED = ["allow_unsafe_apis", "vulkan_enable_f16_on_nvidia"];
/** Features of Dawn that are switched off: it would round timestamps to 0.1 ms. */
const DISABLED = ["timestamp_quantization"];

/** Everything that was opened is kept: devices stop working once the garbage collector frees the object they came from. */
const OPENED = new Set<GPU>();

/** The driver of a system. */
function driverOf(platform: string): string {
  return /mac|iphone|ipad/i.test(platform) ? "metal" : /win/i.test(platform) ? "d3d12" : "vulkan";
}

/** The path of the package in a checkout of this project, which needs no permission to read another folder. */
const beside = () => Promise.resolve(new URL("../../node_modules/webgpu/index.js", import.meta.url).href);

/** The address at which the runtime finds the package; rejects if it does not. */
async function resolved(): Promise<string> {
  const modules = ["node:module", "node:url"]; // no texts within import(): bundlers for browsers would look for them
  const [{ createRequire }, { pathToFileURL }] = await Promise.all(modules.map((name) => import(name)));
  return pathToFileURL(createRequire(import.meta.url).resolve("webgpu")).href;
}

/** The package, if it is installed; undefined where it is not. Nothing is downloaded. */
export async function findDawn(): Promise<DawnPackage | undefined> {
  for (const address of [beside, resolved]) {
    try {
      return await import(await address()) as DawnPackage;
    } catch {
      continue; // not there, may not be read, or, in a browser, nothing that could be loaded
    }
  }
  return undefined;
}

/**
 * Opens Dawn.
 *
 * @param options its driver, and whether it guards indices
 * @throws {InputError} if the package is not installed, or does not open
 */
export async function openDawn(
  { robust = true, driver = driverOf(navigator.platform ?? "") as "vulkan" }: DawnOptions = {},
): Promise<GPU> {
  const dawn = await findDawn();
  if (dawn === undefined) {
    throw new InputError(
      `Dawn is not installed; \`deno cache --no-lock npm:${DAWN_PACKAGE}\` (Node: \`npm install ${DAWN_PACKAGE}\`) ` +
        "installs it.",
    );
  }
  if ("Deno" in globalThis) calmWaits();
  const enabled = robust ? ENABLED : [...ENABLED, "disable_robustness"];
  try {
    const gpu = dawn.create([
      `enable-dawn-features=${enabled.join(",")}`,
      `disable-dawn-features=${DISABLED.join(",")}`,
      `backend=${driver}`,
    ]);
    OPENED.add(gpu);
    return gpu;
  } catch (error) {
    throw new InputError(`Dawn cannot be opened: ${(error as Error).message}`);
  }
}
