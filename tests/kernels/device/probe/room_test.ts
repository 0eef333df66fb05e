/** Workgroups that a device runs at once are counted. */
import { openGpu } from "../../../../mod.ts";
import { probeRoom } from "../../../../kernels/device/probe/room.ts";
import { assert } from "../../../support/assert.ts";

Deno.test("room: an even number, no more than were begun; where nothing can be counted, the usual number", async () => {
  using gpu = await openGpu();
  const room = await probeRoom(gpu);
  assert(room % 2 === 0 && room >= 2 && room <= 1024, `${room}`);
  using broken = gpu.scope();
  broken.createPipeline = () => Promise.reject(new Error("no kernel can be built"));
  assert(await probeRoom(broken) === 128);
});
