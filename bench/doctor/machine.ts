/**
 * Looks at the parts of a machine that the commands of this project use: system, GPU, Dawn, Chromium.
 *
 * @module
 */
import { backendProblem, deviceEnvironment } from "../cli/setup.ts";
import { isSoftware } from "../text/adapter.ts";
import { messageOf } from "../text/output.ts";
import { InputError, requireInput } from "../../reference/errors.ts";
import { NoAdapterError } from "../../kernels/device/errors.ts";
import type { BackendName } from "../../kernels/device/open/backend.ts";
import type { Capabilities } from "../../kernels/device/capabilities.ts";
import { DAWN_PACKAGE, findDawn } from "../../kernels/device/open/dawn.ts";
import { openGpu } from "../../kernels/device/open/open.ts";
import { findChromium } from "./chromium.ts";

/** The system, without its GPU. */
export interface SystemFacts {
  /** `linux`, `darwin`, `windows`, … */
  readonly os: string;
  /** `x86_64`, `aarch64`. */
  readonly architecture: string;
  /** The version of the system's kernel. */
  readonly release: string;
  /** Logical cores. */
  readonly cores: number;
  /** Bytes of memory. */
  readonly memoryBytes: number;
  /** Bytes of memory that are free. */
  readonly freeBytes: number;
  /** The version of Deno. */
  readonly deno: string;
}

/** A device that was found, or why there is none. */
export interface DeviceFacts {
  /** Its description, features and limits; null where there is none. */
  readonly device: Capabilities | null;
  /** Whether it is emulated on the CPU. */
  readonly software: boolean;
  /** Why there is none, in a sentence; empty where there is one. */
  readonly problem: string;
}

/** All facts about a machine that `doctor` prints. */
export interface Machine {
  readonly system: SystemFacts;
  /** `DENO_WEBGPU_BACKEND`, or null if it is not set. */
  readonly webgpuBackend: string | null;
  /** The runtime's own WebGPU. */
  readonly builtin: DeviceFacts;
  /** Dawn. */
  readonly dawn: DeviceFacts;
  /** Where Chromium is, or null. */
  readonly chromium: string | null;
}

/**
 * Looks at this machine. Nothing is installed or changed on it.
 *
 * @throws {InputError} if `DENO_WEBGPU_BACKEND` names no backend
 */
export async function examineMachine(): Promise<Machine> {
  const webgpuBackend = Deno.env.get("DENO_WEBGPU_BACKEND") ?? null;
  const problem = backendProblem(webgpuBackend ?? undefined);
  requireInput(problem === null, () => problem!);
  for (const [name, value] of Object.entries(deviceEnvironment())) Deno.env.set(name, value);
  const dawnIsThere = await findDawn() !== undefined;
  return {
    system: systemFacts(),
    webgpuBackend,
    builtin: await deviceFacts("builtin"),
    dawn: dawnIsThere ? await deviceFacts("dawn") : {
      ...{ device: null, software: false },
      problem: `Not installed; \`deno cache --no-lock npm:${DAWN_PACKAGE}\` installs it.`,
    },
    chromium: await findChromium(),
  };
}

function systemFacts(): SystemFacts {
  const { total, available } = Deno.systemMemoryInfo();
  return {
    ...{ os: Deno.build.os, architecture: Deno.build.arch, release: Deno.osRelease() },
    ...{ cores: navigator.hardwareConcurrency, memoryBytes: total, freeBytes: available },
    deno: Deno.version.deno,
  };
}

/** Opens a device and reads its facts; an error becomes a sentence. */
async function deviceFacts(backend: BackendName): Promise<DeviceFacts> {
  try {
    using gpu = await openGpu({ backend });
    return { device: gpu.info, software: isSoftware(gpu.info.description), problem: "" };
  } catch (error) {
    const isTold = error instanceof InputError || error instanceof NoAdapterError;
    const problem = `${messageOf(error)}.`;
    return { device: null, software: false, problem: isTold ? problem : `It cannot be opened: ${problem}` };
  }
}
