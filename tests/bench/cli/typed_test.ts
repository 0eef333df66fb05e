/** Commands as functions: they take typed options, and give the same results as the command line. */
import { runExport, runVerify } from "../../support/kit.ts";
import { exportSuite } from "../../../bench/conformance/export.ts";
import { verifyCases } from "../../../bench/conformance/verify.ts";
import { InputError } from "../../../mod.ts";
import { assertEquals, assertRejects, assertStringIncludes } from "../../support/assert.ts";
import { TemporaryFolder } from "../../support/command.ts";

const FILTER = "attention Lq=128 Lk=512";

Deno.test("export and verify take typed options, and do what their command lines do", async () => {
  await using folder = new TemporaryFolder();
  const cases = folder.at("cases"), again = folder.at("again"), outputs = folder.at("outputs");
  await exportSuite({ out: cases, filter: FILTER, seed: 3 });
  await runExport(["--out", again, "--filter", FILTER, "--seed", "3"]);
  const manifest = (path: string) => Deno.readTextFile(`${path}/manifest.json`);
  assertEquals(await manifest(again), await manifest(cases));
  await Deno.mkdir(outputs);
  const typed = await verifyCases({ folder: cases, outputs });
  assertEquals(typed, await runVerify([cases, "--outputs", outputs]));
  assertEquals(typed.code, 1);
  assertStringIncludes(typed.text, "missing");
  await assertRejects(() => verifyCases({ folder: cases, capture: cases }), InputError, "goes without CASES");
  await assertRejects(() => verifyCases({ folder: cases, stages: ["softmax"] }), InputError, "softmax");
});
