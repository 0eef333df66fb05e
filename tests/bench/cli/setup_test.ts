import { fileURLToPath } from "node:url";
import { backendProblem, needsAdapter, planSetup, type SystemFacts } from "../../../bench/cli/setup.ts";
import { permissionsOf } from "../../support/tasks.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../support/assert.ts";

const SETUP = permissionsOf("setup");
const DEBIAN: SystemFacts = { os: "linux", osRelease: "NAME=x\nID=debian\n", isRoot: true, hasSudo: false };

/** The sentence for a system on which setup cannot install anything. */
function sentenceFor(changed: Partial<SystemFacts>): string {
  const plan = planSetup({ ...DEBIAN, ...changed });
  assert(plan.kind === "stop");
  assertMatch(plan.sentence, /^No WebGPU adapter was found: .*\.$/);
  return plan.sentence;
}

Deno.test("setup: root on Debian installs Mesa's software Vulkan, after an update", () => {
  const plan = planSetup(DEBIAN);
  assert(plan.kind === "install");
  assertEquals(plan.commands.map((command) => command.join(" ")), [
    "apt-get -qq update",
    "apt-get -qq install -y mesa-vulkan-drivers",
  ]);
});

Deno.test("setup: sudo without a password does on Ubuntu and what is like it", () => {
  const osRelease = 'ID=linuxmint\nID_LIKE="ubuntu debian"\n';
  const plan = planSetup({ ...DEBIAN, osRelease, isRoot: false, hasSudo: true });
  assert(plan.kind === "install");
  for (const command of plan.commands) assertEquals(command.slice(0, 3), ["sudo", "-n", "apt-get"]);
});

Deno.test("setup: elsewhere one sentence says how to get an adapter on this system", () => {
  assertStringIncludes(sentenceFor({ isRoot: false }), "apt-get install mesa-vulkan-drivers");
  for (
    const [id, command] of [
      ["fedora", "dnf install mesa-vulkan-drivers"],
      ['"rocky"\nID_LIKE="rhel centos fedora"', "dnf install mesa-vulkan-drivers"],
      ["arch", "pacman -S vulkan-swrast"],
      ['"opensuse-leap"\nID_LIKE="suse opensuse"', "zypper install libvulkan_lvp"],
      ["alpine", "apk add mesa-vulkan-swrast"],
      ["nixos", "install a Vulkan driver"],
    ]
  ) assertStringIncludes(sentenceFor({ osRelease: `ID=${id}\n` }), command);
  assertStringIncludes(sentenceFor({ os: "darwin", osRelease: "" }), "update the graphics driver");
  assertStringIncludes(sentenceFor({ os: "windows", osRelease: "" }), "update the graphics driver");
});

Deno.test("setup: a wrong DENO_WEBGPU_BACKEND is a sentence, and installs nothing", async () => {
  for (const right of [undefined, "vulkan", "Vulkan", "metal,vulkan", "gl"]) {
    assertEquals(backendProblem(right), null);
  }
  assertMatch(backendProblem("banana")!, /^DENO_WEBGPU_BACKEND is "banana"; it should be .*\.$/);
  const { code, stderr } = await setup(["eval", "1"], { DENO_WEBGPU_BACKEND: "banana" });
  assertEquals([code, stderr.trim()], [2, backendProblem("banana")]);
});

Deno.test("setup: --help prints its own help, not Deno's", async () => {
  const { code, stdout } = await setup(["--help"], {});
  assertEquals(code, 0);
  assertStringIncludes(stdout, "\nExample:\n  deno task setup\n");
  assertStringIncludes(stdout, "\nExit codes: ");
  assert(stdout.split("\n").every((line) => line.length <= 80));
});

Deno.test("setup: commands that need no GPU do not even look for one", async () => {
  for (const arg of ["--no-gpu", "--help", "--list", "--backend=dawn"]) {
    assertEquals(needsAdapter(["run", "x.ts", arg]), false, arg);
  }
  assert(needsAdapter(["run", "x.ts", "sweep"]));
  const code = 'console.log(Deno.args.join(" "))';
  const { stdout } = await setup(["eval", code, "--", "--no-gpu"], { DENO_WEBGPU_BACKEND: "banana" });
  assertMatch(stdout, /--no-gpu/);
});

Deno.test("setup: a signal reaches the command, whose exit code is told", {
  ignore: Deno.build.os === "windows",
}, async () => {
  const code =
    `Deno.addSignalListener("SIGTERM", () => Deno.exit(143)); console.log("up"); setInterval(() => {}, 1e3)`;
  const child = start(["eval", code, "--", "--no-gpu"], {});
  const reader = child.stdout.getReader();
  await reader.read();
  child.kill("SIGTERM");
  assertEquals((await child.status).code, 143);
  await reader.cancel();
  await child.stderr.cancel();
});

/** Starts the setup as tasks do, with its own permissions. */
function start(args: readonly string[], env: Readonly<Record<string, string>>) {
  const script = fileURLToPath(new URL("../../../bench/cli/setup.ts", import.meta.url));
  return new Deno.Command(Deno.execPath(), {
    args: ["run", ...SETUP, "--no-check", script, ...args],
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function setup(args: readonly string[], env: Readonly<Record<string, string>>) {
  const { code, stdout, stderr } = await start(args, env).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}
