/** The order in which dense calls take the blocks of heads in turn. */
import { CALL_BYTES } from "../../../kernels/attention/attention.ts";
import call from "../../../kernels/attention/call.wgsl" with { type: "text" };
import { buildKernel } from "../../../kernels/device/work/kernel.ts";
import { submitPass } from "../../../kernels/device/work/pass.ts";
import { download, upload } from "../../../kernels/device/transfer.ts";
import { LAYOUT_BYTES, layoutTemplate } from "../../../kernels/pyramid/layout.ts";
import { expandTemplate } from "../../../kernels/wgsl/template.ts";
import { assertEquals } from "../../support/assert.ts";
import { gpuTest } from "../../support/stage_case.ts";

gpuTest(
  "gpu: of heads in turn, each block is taken once, and neighbouring heads follow one another",
  async (gpu) => {
    const template = [layoutTemplate, call].join("\n"), rows = 9; // three heads of three blocks, two in turn
    const code = `${expandTemplate(template, { HEADS_IN_TURN: 2 })}
@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read_write> order: array<u32>;
@compute @workgroup_size(${rows}) fn main(@builtin(local_invocation_index) turn: u32) { order[turn] = row_in_turn(turn); }`;
    const numbers = new Uint32Array(CALL_BYTES / 4);
    numbers.set([rows, 3], 8 + LAYOUT_BYTES / 4); // behind the levels: blocks of all heads, and of a head
    const uniform = gpu.createBuffer("call", {
      size: CALL_BYTES,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    upload(gpu, uniform, { data: numbers });
    const order = gpu.createBuffer("order", { size: 4 * rows });
    const encode = await buildKernel(gpu, code, {
      label: "order",
      buffers: [uniform, order],
      workgroups: [1],
    });
    await submitPass(gpu, [encode], { label: "order" });
    assertEquals([...new Uint32Array(await download(gpu, order, { size: 4 * rows }))], [
      0,
      3,
      1,
      4,
      2,
      5,
      6,
      7,
      8,
    ]);
  },
);
