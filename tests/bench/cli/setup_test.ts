import { planSetup, type SystemFacts } from "../../../bench/cli/setup.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../support/assert.ts";

const DEBIAN: SystemFacts = { os: "linux", osRelease: "NAME=x\nID=debian\n", isRoot: true, hasSudo: false };

/** The sentence with which a system is sent away. */
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
