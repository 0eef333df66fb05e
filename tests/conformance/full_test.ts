/** The full suite holds real inputs: the last tokens of the traces, to the bit. */
import { parseCase, readSafetensors } from "../../mod.ts";
import { callOf } from "../../fixtures/conformance/call.ts";
import { suiteCases } from "../../fixtures/conformance/suites.ts";
import { assert, assertEquals, assertThrows } from "../assert.ts";
import { InputError } from "../../reference/errors.ts";

const FOLDER = new URL("../../fixtures/data/traces/", import.meta.url);

Deno.test("conformance: the full suite has every trace, a long sequence, four presets and every hard workload", async () => {
  const cases = suiteCases("full");
  for await (const { name } of Deno.readDir(FOLDER)) {
    assert(cases.some(({ input }) => `${input}.safetensors` === name), name);
  }
  assert(cases.some(({ seqK }) => seqK >= 32768));
  assertEquals(new Set(cases.flatMap(({ preset }) => preset ?? [])).size, 4);
  for (const hard of ["adversarial", "constant", "sinks", "needle"]) {
    assert(cases.some(({ workload }) => workload === hard), hard);
  }
});

Deno.test("conformance: a case of a trace has its last queries and keys, rounded to the case's element type", async () => {
  const [given] = suiteCases("full", { dtype: "bf16" }).filter(({ input }) => input === "trace-a-layer6");
  const { qkv: { q, k } } = callOf(given);
  const { tensors } = readSafetensors(await Deno.readFile(new URL("trace-a-layer6.safetensors", FOLDER)));
  assertEquals([q.shape, k.shape], [[1, 2, 512, 64], [1, 2, 4000, 64]]);
  for (const [got, file] of [[q, tensors.q], [k, tensors.k]]) {
    const rows = got.shape[2] * 64;
    for (let head = 0; head < 2; head++) {
      const own = got.data.subarray(head * rows, (head + 1) * rows);
      const want = file.data.subarray((head + 1) * 4096 * 64 - rows, (head + 1) * 4096 * 64);
      own.forEach((x, i) =>
        assert(Math.abs(x - want[i]) <= Math.abs(want[i]) / 256, `${i}: ${x} for ${want[i]}`)
      );
    }
  }
});

Deno.test("conformance: a case whose sizes are not its trace's is refused", () => {
  const wrong = "attention B=1 H=3 Hk=1 Lq=128 Lk=128 D=64 bm=64 bn=64 levels=1 input=trace-a-layer1";
  assertThrows(
    () => callOf(parseCase(wrong)),
    InputError,
    "`heads` of trace-a-layer1 is 2; the case says 3.",
  );
});
