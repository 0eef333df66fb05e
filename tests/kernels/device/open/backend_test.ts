/** Opening implementations of WebGPU by name, and the sentence where one is not installed. */
import { InputError, NoAdapterError, openGpu } from "../../../../mod.ts";
import type { BackendName } from "../../../../kernels/device/open/backend.ts";
import { scopeError } from "../../../../kernels/device/errors.ts";
import { assert, assertEquals, assertRejects } from "../../../support/assert.ts";
import { runPsa } from "../../../support/command.ts";

Deno.test("backend: a name that is none is refused with those there are", async () => {
  await assertRejects(
    () => openGpu({ backend: "metal" as BackendName }),
    InputError,
    '`backend` is "metal"; it should be one of builtin, dawn, auto.',
  );
});

Deno.test("backend: what is opened says which implementation it is", async () => {
  using builtin = await openGpu();
  assertEquals(builtin.info.implementation, "builtin");
  using given = await openGpu({ gpu: navigator.gpu });
  assertEquals([given.info.implementation, given.info.matrices], ["given", null]);
});

Deno.test("backend: where Dawn or its driver is missing, the command says so and ends with 2", async () => {
  const { code, stderr } = await runPsa("bench", ["--backend", "dawn"], { VK_DRIVER_FILES: "/nowhere" });
  assertEquals(code, 2, stderr);
  const sentence = stderr.trim().split("\n").at(-1)!;
  const known = /^Dawn is not installed; `deno cache .*|^No WebGPU adapter of Dawn was found; a Vulkan, .*/;
  assert(known.test(sentence), sentence);
});

Deno.test("errors: those of another implementation are known by their names", () => {
  class GPUOutOfMemoryError {
    message = "no room";
  }
  assertEquals(scopeError(new GPUOutOfMemoryError() as GPUError, { label: "q" }).kind, "out-of-memory");
  assert(NoAdapterError.prototype instanceof InputError);
});
