import { commandOutlooks } from "../../../bench/doctor/commands.ts";
import type { DeviceFacts, Machine } from "../../../bench/doctor/machine.ts";
import { doctorText } from "../../../bench/doctor/text.ts";
import type { Capabilities } from "../../../kernels/device/capabilities.ts";
import { runPsa } from "../../support/command.ts";
import { permissionsOf } from "../../support/tasks.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../support/assert.ts";

const NONE: DeviceFacts = { device: null, software: false, problem: "No WebGPU adapter was found." };
const BARE: Machine = {
  system: {
    ...{ os: "linux", architecture: "x86_64", release: "6.1", cores: 2, deno: "2.9.6" },
    ...{ memoryBytes: 2 ** 33, freeBytes: 2 ** 32 },
  },
  ...{ webgpuBackend: null, builtin: NONE, dawn: NONE, chromium: null },
};
const DEBIAN = { osRelease: "ID=debian", isRoot: true };

/** A machine whose adapter has this name. */
function withAdapter(description: string, software: boolean): Machine {
  const device: Capabilities = {
    ...{ description, vendor: "v", implementation: "builtin", backend: "vulkan", features: ["shader-f16"] },
    limits: {
      ...{ maxStorageBufferBindingSize: 2 ** 31, maxComputeWorkgroupStorageSize: 49152 },
      maxComputeInvocationsPerWorkgroup: 1024,
    },
    ...{ subgroupSize: 32, subgroupSizes: { least: 32, most: 32 }, subgroupDirective: "" },
    ...{ matrixShapes: [], matrices: null, busyWorkgroups: 1, nanosecondsPerTick: 1 },
  };
  return { ...BARE, builtin: { device, software, problem: "" }, chromium: "/usr/bin/chromium" };
}

Deno.test("doctor: on this machine it says what there is, and the exit code whether kernels can run", async () => {
  const { code, stdout, stderr } = await runPsa("doctor", ["--json"]);
  const { builtin, commands, system } = JSON.parse(stdout);
  assertEquals(code, builtin.device === null ? 1 : 0);
  // Dawn, where it is installed, writes warnings of its own past Deno.
  assertEquals(stderr.split("\n").filter((line) => !/^(Warning: .*|\s.*|)$/.test(line)), []);
  assertEquals(system.deno, Deno.version.deno);
  assertEquals(commands.map(({ command }: { command: string }) => command).includes("sweep"), true);
});

Deno.test("doctor: a wrong DENO_WEBGPU_BACKEND is a sentence and exit code 2; it may write and run nothing", async () => {
  const { code, stdout, stderr } = await runPsa("doctor", [], { DENO_WEBGPU_BACKEND: "banana" });
  assertEquals([code, stdout], [2, ""]);
  assertMatch(stderr, /^DENO_WEBGPU_BACKEND is "banana"; it should be .*\.\n$/);
  assertEquals(permissionsOf("doctor").filter((flag) => /write|run|net/.test(flag)), []);
});

Deno.test("doctor: without an adapter each command says what it needs, and how the sweep gets one", () => {
  const outlooks = commandOutlooks(BARE, DEBIAN);
  assertEquals(outlooks.filter(({ ready }) => ready).map(({ command }) => command), [
    "verify",
    "export, merge, compare, tune, wgsl",
  ]);
  const text = doctorText(BARE, outlooks).replaceAll(/\s+/g, " ");
  assertStringIncludes(text, "adapter No WebGPU adapter was found.");
  assertStringIncludes(
    text,
    "sweep not ready: installs Mesa's software Vulkan first, with `apt-get -qq update`",
  );
  const [sweep] = commandOutlooks(BARE, { osRelease: "ID=fedora", isRoot: false });
  assertEquals(
    sweep.does,
    "needs an adapter: install a Vulkan driver with `dnf install mesa-vulkan-drivers`; --no-gpu runs the reference alone",
  );
});

Deno.test("doctor: an adapter in software is told from a GPU, in lines of 80 characters", () => {
  const software = withAdapter("llvmpipe (LLVM 15)", true), gpu = withAdapter("NVIDIA H200", false);
  const [inSoftware] = commandOutlooks(software, DEBIAN), [onGpu] = commandOutlooks(gpu, DEBIAN);
  assertMatch(inSoftware.does, /^runs kernels in software: .* times say nothing about a GPU$/);
  assertEquals(onGpu.does, "runs kernels on the GPU, times from timestamps");
  const text = doctorText(software, commandOutlooks(software, DEBIAN));
  assert(text.split("\n").every((line) => line.length <= 80), text);
  assertStringIncludes(text, "emulated on the CPU");
  assertStringIncludes(text, "no: The adapter lists no products of matrices.");
  const matrices = { M: 16, N: 8, K: 16, component: "f16", result: "f32" };
  const builtin = { ...gpu.builtin, device: { ...gpu.builtin.device!, matrices } };
  assertStringIncludes(
    doctorText({ ...gpu, builtin }, []),
    "matrices      yes, products of 16x8x16 f16 with sums in f32",
  );
});
