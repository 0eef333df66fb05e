/** Our own kernels, judged by the kit like any other kernel. */
import { drawn } from "../support/seed.ts";
import { runExport, runVerify } from "../support/kit.ts";
import { assertEquals, assertStringIncludes } from "../support/assert.ts";
import { TemporaryFolder } from "../support/command.ts";

for (const [i, dtype] of ["f32", "f16"].entries()) {
  // A commit in three draws float32, one in six float16, whose bounds of parts take longer.
  if (!drawn(i, 3 + 3 * i)) continue;
  Deno.test(`conformance: the kernels of this project pass smoke in ${dtype}`, async () => {
    await using folder = new TemporaryFolder();
    await runExport(["--out", folder.at("cases"), "--dtype", dtype]);
    const { code, text } = await runVerify([folder.at("cases"), "--outputs", folder.at("outputs"), "--gpu"]);
    assertEquals(code, 0, text);
    // Small heads of the adversarial case alone have bounds that zeros would pass.
    const notes = text.split("\n").filter((line) => line.includes("zeros would pass"));
    if (dtype === "f32") assertEquals(notes.map((line) => /in head \d+:/.test(line)), [true], text);
    const right = text.split("\n").filter((line) => line.startsWith("right")).map((line) =>
      line.split(/ +/)[1]
    );
    const counts = ["attention", "importance", "levels", "cap"].map((stage) =>
      right.filter((name) => name === stage).length
    );
    assertEquals(counts, [17, 4, 3, 2], text);
    assertStringIncludes(text, "5 cases have no kernel here and were left out");
  });
}
