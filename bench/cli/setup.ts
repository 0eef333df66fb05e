/**
 * `deno task setup`: makes sure of a WebGPU adapter. With arguments it runs Deno with them afterwards, which the tasks
 * `test` and `sweep` do.
 *
 * Where there is no adapter and Mesa's software Vulkan can be installed (Debian, Ubuntu; root or sudo that asks for no
 * password), it announces the installation and installs it. Elsewhere it prints what to do. Nothing is
 * installed for a command that needs no GPU, or because a variable of the environment is wrong.
 *
 * @module
 */
import { runInstead } from "./child.ts";

const HELP = `deno task setup

Finds a WebGPU adapter. Where there is none, it announces and installs Mesa's
software Vulkan (Debian and Ubuntu, as root or with sudo that asks for no
password), or prints what to install.

Example:
  deno task setup

  --help              print this

Exit codes: 0 if there is an adapter; 2 if there is none.`;

/** Facts about the system that lacks an adapter. */
export interface SystemFacts {
  /** `linux`, `darwin`, `windows`, … */
  readonly os: string;
  /** The text of /etc/os-release; empty where there is none. */
  readonly osRelease: string;
  /** Whether commands run as root. */
  readonly isRoot: boolean;
  /** Whether sudo works without a password. */
  readonly hasSudo: boolean;
}

/** A plan for a missing adapter: run these commands, or stop with a sentence. */
export type SetupPlan =
  | { readonly kind: "install"; readonly commands: readonly (readonly string[])[] }
  | { readonly kind: "stop"; readonly how: string; readonly sentence: string };

const PACKAGES: readonly (readonly [family: RegExp, command: string])[] = [
  [/\b(debian|ubuntu)\b/, "apt-get install mesa-vulkan-drivers"],
  [/\b(fedora|rhel|centos)\b/, "dnf install mesa-vulkan-drivers"],
  [/\barch\b/, "pacman -S vulkan-swrast"],
  [/\b(suse|opensuse)\b/, "zypper install libvulkan_lvp"],
  [/\balpine\b/, "apk add mesa-vulkan-swrast"],
];

/**
 * Plans how to get an adapter where there is none.
 *
 * @param facts the system
 *
 * @example
 * ```ts
 * import { planSetup } from "./setup.ts";
 * const facts = { os: "linux", osRelease: "ID=debian", isRoot: true, hasSudo: false };
 * console.log(planSetup(facts).kind); // "install"
 * ```
 */
export function planSetup({ os, osRelease, isRoot, hasSudo }: SystemFacts): SetupPlan {
  const stop = (how: string): SetupPlan => ({
    kind: "stop",
    how,
    sentence: `No WebGPU adapter was found: ${how}, or run without a GPU where a command has --no-gpu.`,
  });
  if (os !== "linux") return stop("update the graphics driver of this system");
  const ids = [...osRelease.matchAll(/^ID(?:_LIKE)?=(.*)$/gm)].map(([, id]) => id.replaceAll('"', "")).join(
    " ",
  );
  const [, command] = PACKAGES.find(([family]) => family.test(ids)) ?? [];
  if (command === undefined) return stop("install a Vulkan driver, such as Mesa's lavapipe");
  if (!command.startsWith("apt-get") || !(isRoot || hasSudo)) {
    return stop(`install a Vulkan driver with \`${command}\``);
  }
  const prefix = isRoot ? [] : ["sudo", "-n"];
  const apt = (...args: string[]) => [...prefix, "apt-get", "-qq", ...args];
  return { kind: "install", commands: [apt("update"), apt("install", "-y", "mesa-vulkan-drivers")] };
}

/** Whether a new process finds an adapter: drivers are looked for once per process. */
async function hasAdapter(): Promise<boolean> {
  const code = "Deno.exit((await navigator.gpu?.requestAdapter()) ? 0 : 1)";
  const { success } = await run([Deno.execPath(), "eval", code]);
  return success;
}

/** Runs a command and keeps what it prints. */
async function run([program, ...args]: readonly string[]): Promise<{ success: boolean; text: string }> {
  try {
    const command = new Deno.Command(program, { args, stdin: "null", env: deviceEnvironment() });
    const { success, stdout, stderr } = await command.output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { success, text: decode(stdout) + decode(stderr) };
  } catch (error) {
    return { success: false, text: String(error) };
  }
}

/**
 * The variables that commands run with where they are not set: Mesa complains where there is no runtime folder, and on
 * Linux only Vulkan will do, since kernels can hang on adapters that are emulated by OpenGL.
 *
 * @example
 * ```ts
 * import { deviceEnvironment } from "./setup.ts";
 * console.log(typeof deviceEnvironment()); // object
 * ```
 */
export function deviceEnvironment(): Record<string, string> {
  const defaults: Record<string, string> = {
    XDG_RUNTIME_DIR: Deno.env.get("TMPDIR") ?? "/tmp",
    ...(Deno.build.os === "linux" ? { DENO_WEBGPU_BACKEND: "vulkan" } : {}),
  };
  return Object.fromEntries(Object.entries(defaults).filter(([name]) => !Deno.env.has(name)));
}

/** The values that the variable `DENO_WEBGPU_BACKEND` may have. */
const BACKENDS = ["vulkan", "vk", "metal", "mtl", "dx12", "d3d12", "gl", "gles", "opengl"];

/**
 * Checks `DENO_WEBGPU_BACKEND`.
 *
 * @param value the variable; undefined if it is not set
 * @returns null if there is nothing wrong, else a sentence
 *
 * @example
 * ```ts
 * import { backendProblem } from "./setup.ts";
 * console.log(backendProblem("vulkan"), backendProblem("banana") === null); // null false
 * ```
 */
export function backendProblem(value: string | undefined): string | null {
  const wrong = value?.split(",").map((name) => name.trim()).find((name) =>
    !BACKENDS.includes(name.toLowerCase())
  );
  if (wrong === undefined) return null;
  return `DENO_WEBGPU_BACKEND is "${value}"; it should be vulkan, metal, dx12 or gl, or not be set.`;
}

/**
 * Whether a command line needs an adapter.
 *
 * @param args the arguments of Deno
 *
 * @example
 * ```ts
 * import { needsAdapter } from "./setup.ts";
 * console.log(needsAdapter(["run", "psa.ts", "sweep"]), needsAdapter(["run", "psa.ts", "sweep", "--list"])); // true false
 * ```
 */
export function needsAdapter(args: readonly string[]): boolean {
  const without = ["--no-gpu", "--help", "-h", "--list"];
  return !args.some((arg) => without.includes(arg) || /^--backend(=|$)/.test(arg));
}

async function systemFacts(): Promise<SystemFacts> {
  return {
    os: Deno.build.os,
    osRelease: await Deno.readTextFile("/etc/os-release").catch(() => ""),
    isRoot: Deno.build.os !== "windows" && Deno.uid() === 0,
    hasSudo: (await run(["sudo", "-n", "true"])).success,
  };
}

/**
 * Makes sure of an adapter.
 *
 * @returns null if there is one, else the sentence that says what to do
 *
 * @example
 * ```ts
 * import { ensureAdapter } from "./setup.ts";
 * const sentence = await ensureAdapter();
 * if (sentence !== null) console.error(sentence);
 * ```
 */
export async function ensureAdapter(): Promise<string | null> {
  const backend = Deno.env.get("DENO_WEBGPU_BACKEND"), problem = backendProblem(backend);
  if (problem !== null) return problem;
  if (await hasAdapter()) return null;
  if (backend !== undefined && !/^(vulkan|vk)$/i.test(backend)) {
    return `No WebGPU adapter was found with DENO_WEBGPU_BACKEND=${backend}; do not set it, or install its driver.`;
  }
  const plan = planSetup(await systemFacts());
  if (plan.kind === "stop") return plan.sentence;
  const commands = plan.commands.map((command) => `\`${command.join(" ")}\``).join(" and ");
  console.error(`No WebGPU adapter was found; installing Mesa's software Vulkan: ${commands}.`);
  for (const command of plan.commands) {
    const { success, text } = await run(command);
    if (!success && command === plan.commands.at(-1)) { // what is known of packages may do without an update
      return `No WebGPU adapter was found, and \`${command.join(" ")}\` failed: ${
        text.trim().split("\n").at(-1)
      }`;
    }
  }
  if (await hasAdapter()) return null;
  return "No WebGPU adapter was found, even after mesa-vulkan-drivers was installed.";
}

if (import.meta.main && ["--help", "-h"].includes(Deno.args[0])) console.log(HELP);
else if (import.meta.main) {
  const sentence = needsAdapter(Deno.args) ? await ensureAdapter() : null;
  if (sentence !== null) {
    console.error(sentence);
    Deno.exit(2);
  }
  if (Deno.args.length > 0) Deno.exit(await runInstead(Deno.args, { env: deviceEnvironment() }));
  console.log("A WebGPU adapter was found.");
}
