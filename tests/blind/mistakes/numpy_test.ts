/**
 * The sixth blind set is what it says: its four kernels are right, and every mistake changes a case.
 *
 * @module
 */
import { assert, assertEquals } from "../../support/assert.ts";
import { runExport, runVerify } from "../../support/kit.ts";
import { TemporaryFolder } from "../../support/command.ts";
import { drawn } from "../../support/seed.ts";
import { testWith } from "../../support/skip.ts";
import { readSafetensors } from "../../../mod.ts";
import { numpySets, runNumpy } from "./numpy.ts";

const KERNELS = ["lanes", "split", "gather", "stream"];
const hasNumpy = await new Deno.Command("python3", { args: ["-c", "import numpy"], stderr: "null" }).output()
  .then(({ success }) => success, () => false);
const numpy = { here: hasNumpy, lack: "no python3 with numpy here" };
const [, , sixth] = await numpySets();

/** Whether outputs of a case differ by more than 2e-5 of the largest number. */
function differs(right: string, planted: string): boolean {
  return [...Deno.readDirSync(right)].filter(({ name }) => name.endsWith(".safetensors")).some(({ name }) => {
    const before = readSafetensors(Deno.readFileSync(`${right}/${name}`)).tensors;
    const after = readSafetensors(Deno.readFileSync(`${planted}/${name}`)).tensors;
    return ["out", "lse"].some((tensor) => {
      const a = Array.from(before[tensor].data, Number), b = after[tensor].data;
      const most = a.reduce((top, x) => Number.isFinite(x) ? Math.max(top, Math.abs(x)) : top, 0);
      return a.some((x, i) => Number.isFinite(x) && !(Math.abs(x - b[i]) <= 2e-5 * most));
    });
  });
}

Deno.test("the sixth set: mistakes 301 to 324, four of them two at once, each with the words of a right name", () => {
  assertEquals(sixth.mistakes.map(({ number }) => number), Array.from({ length: 24 }, (_, i) => 301 + i));
  assertEquals(sixth.combinations, [321, 322, 323, 324]);
  for (const { number, statement, must_say: words } of sixth.mistakes) {
    assert(statement.length > 40 && words.every((each) => each.length > 10));
    if (sixth.combinations.includes(number)) assertEquals(words.length, 2);
  }
});

for (const [place, kernel] of KERNELS.entries()) {
  // A commit draws which of the kernels is run, and two of the mistakes; PSA_LONG=1 runs all.
  if (!drawn(place, KERNELS.length)) continue;
  testWith(numpy, {
    name: `the kernel ${kernel} of the sixth set is right, and mistakes of the set change a case`,
    async fn() {
      await using folder = new TemporaryFolder();
      const cases = folder.at("cases"), right = folder.at("right");
      await runExport(["--out", cases, "--filter", "attention"]);
      assertEquals(await runNumpy(300, { cases, outputs: right, kernel }), undefined);
      const { code, text } = await runVerify([cases, "--outputs", right, "--stages", "attention"]);
      assertEquals(code, 0, text);
      for (const { number } of sixth.mistakes.filter((_, i) => drawn(i % 12, 12))) {
        const outputs = folder.at(`${number}`);
        assertEquals(await runNumpy(number, { cases, outputs }), undefined);
        assert(differs(right, outputs), `mistake ${number} changes nothing`);
      }
    },
  });
}
