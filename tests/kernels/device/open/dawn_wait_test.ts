/** Dawn looks for the end of its work every millisecond, not as often as it can. */
import { calmWaits } from "../../../../kernels/device/open/dawn_wait.ts";
import { openDawn } from "../../../../kernels/device/open/dawn.ts";
import { assert, assertEquals } from "../../../support/assert.ts";
import { dawnNeed } from "../../../support/dawn.ts";
import { testWith } from "../../../support/skip.ts";

Deno.test("dawn: only native callbacks without a name wait", () => {
  const called: string[] = [];
  const timers = {
    setImmediate: Object.assign((_: unknown, ...args: unknown[]) => void called.push(`at once ${args}`), {
      mark: 1,
    }),
    setTimeout: (_: unknown, ms: number) => void called.push(`after ${ms}`),
  };
  calmWaits(timers);
  const calm = timers.setImmediate;
  calmWaits(timers);
  assertEquals(timers.setImmediate, calm); // once
  assertEquals(calm.mark, 1);
  const named = { push() {} }.push, native = Object.getOwnPropertyDescriptor(RegExp.prototype, "flags")!.get!;
  const nameless = new Proxy(() => {}, {}); // its text is that of a native function, and it has no name
  calm(() => {}, 1, 2);
  calm(named.bind(null));
  calm(native);
  const some = Array<string>(20).fill("at once ");
  for (let i = 0; i < 22; i++) calm(nameless);
  calm(() => {});
  assertEquals(called.slice(0, 25), ["at once 1,2", "at once ", "at once ", ...some, "after 1", "after 1"]);
  assertEquals(called.slice(25), ["at once "]);
});

testWith(await dawnNeed(), {
  name: "dawn: waiting makes few callbacks",
  ...{ sanitizeOps: false, sanitizeResources: false },
  fn: async () => {
    const adapter = await (await openDawn({ driver: "null" })).requestAdapter();
    const device = await adapter!.requestDevice();
    const { setTimeout, setImmediate } = globalThis as unknown as Record<
      string,
      (...args: unknown[]) => void
    >;
    let later = 0;
    globalThis.setTimeout =
      ((...args: unknown[]) => (later++, setTimeout(...args))) as typeof globalThis.setTimeout;
    try {
      for (let i = 0; i < 60; i++) {
        device.pushErrorScope("validation");
        assertEquals(await device.popErrorScope(), null);
      }
    } finally {
      globalThis.setTimeout = setTimeout as typeof globalThis.setTimeout;
    }
    assert(later > 0, "Dawn does not wait by the timers that were calmed");
    assertEquals(setImmediate, (globalThis as unknown as Record<string, unknown>).setImmediate);
    device.destroy();
  },
});
