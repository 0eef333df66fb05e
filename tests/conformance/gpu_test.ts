/** Our own kernels, judged by the kit as anyone's are. */
import { runExport } from "../../bench/conformance/export.ts";
import { runVerify } from "../../bench/conformance/verify.ts";
import { assertEquals } from "../assert.ts";
import { TemporaryFolder } from "../sweep/command.ts";

for (const dtype of ["f32", "f16"]) {
  Deno.test(`conformance: the kernels of this project pass smoke in ${dtype}`, async () => {
    await using folder = new TemporaryFolder();
    await runExport(["--out", folder.at("cases"), "--dtype", dtype, "--filter", "attention"]);
    const { code, text } = await runVerify([folder.at("cases"), "--outputs", folder.at("outputs"), "--gpu"]);
    assertEquals(code, 0, text);
  });
}
