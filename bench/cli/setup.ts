/**
 * Makes sure of a WebGPU adapter before a command starts, and then runs the command.
 *
 *     deno run -A bench/cli/setup.ts <arguments of deno>
 *
 * Where there is no adapter and Mesa's software Vulkan can be installed (Debian, Ubuntu; root or sudo that asks for no
 * password), it is installed, which is said in a line. Elsewhere the command stops with one sentence.
 *
 * @module
 */

/** What is known of the system that lacks an adapter. */
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

/** What to do about a missing adapter: run these commands, or stop with a sentence. */
export type SetupPlan =
  | { readonly kind: "install"; readonly commands: readonly (readonly string[])[] }
  | { readonly kind: "stop"; readonly sentence: string };

const PACKAGES: readonly (readonly [family: RegExp, command: string])[] = [
  [/\b(debian|ubuntu)\b/, "apt-get install mesa-vulkan-drivers"],
  [/\b(fedora|rhel|centos)\b/, "dnf install mesa-vulkan-drivers"],
  [/\barch\b/, "pacman -S vulkan-swrast"],
  [/\b(suse|opensuse)\b/, "zypper install libvulkan_lvp"],
  [/\balpine\b/, "apk add mesa-vulkan-swrast"],
];

/**
 * What to do where there is no adapter.
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

/** Whether a new process finds an adapter: drivers are looked for once a process. */
async function hasAdapter(): Promise<boolean> {
  const code = "Deno.exit((await navigator.gpu?.requestAdapter()) ? 0 : 1)";
  const { success } = await run([Deno.execPath(), "eval", code]);
  return success;
}

/** Runs a command and keeps what it prints. */
async function run([program, ...args]: readonly string[]): Promise<{ success: boolean; text: string }> {
  try {
    const command = new Deno.Command(program, { args, stdin: "null", env: environment() });
    const { success, stdout, stderr } = await command.output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { success, text: decode(stdout) + decode(stderr) };
  } catch (error) {
    return { success: false, text: String(error) };
  }
}

/**
 * The environment of child processes: Mesa complains where there is no runtime folder, and on Linux only Vulkan will do,
 * since kernels can hang on adapters that are emulated by OpenGL.
 */
function environment(): Record<string, string> {
  const defaults: Record<string, string> = {
    XDG_RUNTIME_DIR: Deno.env.get("TMPDIR") ?? "/tmp",
    ...(Deno.build.os === "linux" ? { DENO_WEBGPU_BACKEND: "vulkan" } : {}),
  };
  return Object.fromEntries(Object.entries(defaults).filter(([name]) => !Deno.env.has(name)));
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
  if (await hasAdapter()) return null;
  const plan = planSetup(await systemFacts());
  if (plan.kind === "stop") return plan.sentence;
  console.error("No WebGPU adapter was found; installing Mesa's software Vulkan (mesa-vulkan-drivers).");
  for (const command of plan.commands) {
    const { success, text } = await run(command);
    if (!success && command === plan.commands.at(-1)) { // what is known of packages may do without an update
      return `No WebGPU adapter was found, and \`${command.join(" ")}\` failed: ${
        text.trim().split("\n").at(-1)
      }`;
    }
  }
  if (await hasAdapter()) return null;
  return "No WebGPU adapter was found, also not after mesa-vulkan-drivers was installed.";
}

if (import.meta.main) {
  const needsGpu = !Deno.args.some((arg) => arg === "--no-gpu" || arg === "--help");
  const sentence = needsGpu ? await ensureAdapter() : null;
  if (sentence !== null) {
    console.error(sentence);
    Deno.exit(2);
  }
  const child = new Deno.Command(Deno.execPath(), { args: Deno.args, env: environment() }).spawn();
  Deno.exit((await child.status).code);
}
