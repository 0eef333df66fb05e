/**
 * Tells for each command how it will run on a machine.
 *
 * @module
 */
import { planSetup } from "../cli/setup.ts";
import type { Machine } from "./machine.ts";

/** How a command will run here. */
export interface CommandOutlook {
  /** Its name, as `deno task` knows it. */
  readonly command: string;
  /** Whether it can do all of its work as things are. */
  readonly ready: boolean;
  /** A phrase or two. */
  readonly does: string;
}

/** The facts on which the way to an adapter depends. */
export interface SetupFacts {
  /** The text of /etc/os-release; empty where there is none. */
  readonly osRelease: string;
  /** Whether commands run as root. */
  readonly isRoot: boolean;
}

/**
 * The effect of each command on a machine.
 *
 * @param machine the machine
 * @param setup how an adapter could be had where there is none
 */
export function commandOutlooks(machine: Machine, setup: SetupFacts): CommandOutlook[] {
  const { builtin: { device }, dawn } = machine;
  const kernels = kernelsOn(machine), without = withoutAdapter(machine, setup);
  const browser = machine.chromium === null
    ? "tests in a browser are left out: there is no Chromium"
    : `tests in a browser run in ${machine.chromium}`;
  const ready = device !== null, needs = "needs an adapter";
  return [
    { command: "sweep", ready, does: ready ? kernels : `${without}; --no-gpu runs the reference alone` },
    { command: "claim", ready, does: ready ? kernels : `${needs}; --no-gpu compares without times` },
    { command: "bench:gpu", ready, does: ready ? kernels : needs },
    { command: "test", ready, does: `${ready ? kernels : without}; ${browser}` },
    {
      command: "test:dawn",
      ready: dawn.device !== null,
      does: dawn.device === null ? "needs Dawn" : `runs kernels on ${dawn.device.description} through Dawn`,
    },
    {
      command: "verify",
      ready: true,
      does: `judges on the CPU; --gpu, which runs our own kernels, ${ready ? "works" : needs}`,
    },
    { command: "export, merge, compare, tune, wgsl", ready: true, does: "run on the CPU" },
  ];
}

/** How commands that run kernels will use the device. */
function kernelsOn({ builtin: { device, software } }: Machine): string {
  if (device === null) return "";
  const clock = device.nanosecondsPerTick > 0 ? "timestamps" : "the clock of the CPU";
  return software
    ? "runs kernels in software: errors are valid, times say nothing about a GPU"
    : `runs kernels on the GPU, times from ${clock}`;
}

/** How commands behave that look for an adapter first, where there is none. */
function withoutAdapter({ system: { os } }: Machine, { osRelease, isRoot }: SetupFacts): string {
  const plan = planSetup({ os, osRelease, isRoot, hasSudo: false });
  if (plan.kind === "stop") return `needs an adapter: ${plan.how}`;
  const commands = plan.commands.map((command) => `\`${command.join(" ")}\``).join(" and ");
  return `installs Mesa's software Vulkan first, with ${commands}`;
}
