/** Objects that an open device keeps. */
import { assertEquals } from "../../support/assert.ts";

const SCRIPT = `
import { openGpu } from "${import.meta.resolve("../../../kernels/device/open/open.ts")}";
let implementation = { requestAdapter: (options) => navigator.gpu.requestAdapter(options) };
const seen = new WeakRef(implementation);
const gpu = await openGpu({ gpu: implementation });
implementation = null;
for (let i = 0; i < 3; i++) {
  await new Promise((done) => setTimeout(done, 10));
  gc();
}
console.log(seen.deref() === undefined ? "collected" : "kept");
gpu[Symbol.dispose]();
`;

Deno.test("an implementation of WebGPU that was handed in is not collected while its device is in use", async () => {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--v8-flags=--expose-gc", "--no-check", SCRIPT],
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  assertEquals(text(stdout), "kept", text(stderr));
});
