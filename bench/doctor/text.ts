/**
 * The text that `doctor` prints.
 *
 * @module
 */
import { matrixProblem, productText } from "../../kernels/device/probe/matrices.ts";
import { plural } from "../text/number.ts";
import { fillLines } from "../text/table.ts";
import type { CommandOutlook } from "./commands.ts";
import type { DeviceFacts, Machine } from "./machine.ts";

const WIDTH = 80, COLUMN = 14;

/**
 * Facts and outlooks as lines of at most 80 characters.
 *
 * @param machine the facts about the machine
 * @param outlooks the effect of each command on it
 */
export function doctorText(machine: Machine, outlooks: readonly CommandOutlook[]): string {
  const { system, webgpuBackend, builtin, dawn, chromium } = machine;
  const { os, architecture, release, cores, memoryBytes, freeBytes, deno } = system;
  return [
    "This machine has",
    ...entry(
      "system",
      `${os} ${release}, ${architecture}, ${plural(cores, "core")}, ${gibibytes(memoryBytes)} of memory, ` +
        `${gibibytes(freeBytes)} of it free`,
    ),
    ...entry("runtime", `Deno ${deno}`),
    ...entry("adapter", adapterWords(builtin)),
    ...(webgpuBackend === null ? [] : entry("", `chosen by DENO_WEBGPU_BACKEND=${webgpuBackend}`)),
    ...deviceLines(builtin),
    ...entry("Dawn", adapterWords(dawn)),
    ...entry("Chromium", chromium ?? "not found; Debian's package is `chromium`"),
    "",
    "What each command does here",
    ...outlooks.flatMap(({ command, ready, does }) => entry(command, `${ready ? "" : "not ready: "}${does}`)),
  ].join("\n");
}

/** A name and its description, in lines that fit the terminal. */
function entry(name: string, text: string): string[] {
  const lines = fillLines(text.split(" "), { width: WIDTH - COLUMN - 2 });
  const head = `  ${name.padEnd(COLUMN)}`, rest = " ".repeat(COLUMN + 2);
  if (name.length < COLUMN) return lines.map((line, i) => (i === 0 ? head : rest) + line);
  return [head.trimEnd(), ...lines.map((line) => rest + line)];
}

function adapterWords({ device, software, problem }: DeviceFacts): string {
  if (device === null) return problem;
  return `${device.description}, ${device.backend}${software ? ", emulated on the CPU" : ""}`;
}

/** The features and limits that kernels depend on. */
function deviceLines({ device }: DeviceFacts): string[] {
  if (device === null) return [];
  const { features, limits, subgroupSize, subgroupSizes: { least, most }, matrices } = device;
  const yes = (feature: string) => features.includes(feature) ? "yes" : "no";
  const lanes = least === 0 ? "" : `, the adapter says ${least === most ? least : `${least} to ${most}`}`;
  return [
    ...entry("float16", yes("shader-f16")),
    ...entry("float64", `${yes("wgpu-shader-f64")} (truth on the device)`),
    ...entry(
      "timestamps",
      device.nanosecondsPerTick > 0 ? "yes" : "no; times come from the clock of the CPU",
    ),
    ...entry("subgroups", `${subgroupSize === 0 ? "not used by kernels" : `${subgroupSize} lanes`}${lanes}`),
    ...entry(
      "matrices",
      matrices ? `yes, products of ${productText(matrices)}` : `no: ${matrixProblem(device)}`,
    ),
    ...entry(
      "limits",
      `buffers of ${gibibytes(limits.maxStorageBufferBindingSize)}, ` +
        `${limits.maxComputeWorkgroupStorageSize / 1024} KiB of workgroup memory, ` +
        `${limits.maxComputeInvocationsPerWorkgroup} threads in a workgroup`,
    ),
    ...entry("features", features.join(", ")),
  ];
}

function gibibytes(bytes: number): string {
  return bytes < 2 ** 30 ? `${Math.round(bytes / 2 ** 20)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
