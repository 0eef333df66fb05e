/** `deno task bench:gpu` as a user runs it: rows that add up, and bad input refused. */
import { drawn } from "../../support/seed.ts";
import { callPsa, runPsa } from "../../support/command.ts";
import { assert, assertEquals, assertMatch } from "../../support/assert.ts";

// Each takes a quarter of a minute: a commit draws one.
if (drawn(0, 2)) {
  Deno.test("bench:gpu: a part of the table as JSON, with figures that add up", async () => {
    const { code, stdout, stderr } = await runPsa("bench", [
      ...["--tokens", "128", "--parts", "densities", "--seconds", "0.1", "--json"],
    ]);
    assertEquals(code, 0, stderr);
    const rows = stdout.trim().split("\n").map((line) => JSON.parse(line));
    assertEquals(rows.length, 11);
    assertEquals(rows[0].density, 1);
    for (const row of rows) {
      assertMatch(row.case, /^attention B=1 H=16 Lq=128 Lk=128 D=64 bm=128 bn=128 /);
      assert(row.ms_low <= row.ms && row.ms <= row.ms_high && row.ms > 0, JSON.stringify(row));
      assert(Math.abs(row.speedup * row.ms / rows[0].ms - 1) < 1e-9);
      assert(Math.abs(row.times_ideal * row.speedup * row.density - 1) < 1e-9);
      assert(Math.abs(row.tflops * row.ms * 1e9 / (row.density * 4 * 16 * 128 * 128 * 64) - 1) < 1e-9);
      assert(row.rel_l2 < 1e-5);
    }
  });
}

if (drawn(1, 2)) {
  Deno.test("bench:gpu: causal calls stand beside the like that are not causal", async () => {
    const { code, stdout, stderr } = await runPsa("bench", [
      ...["--tokens", "128", "--parts", "causal", "--filter", "D=64 ", "--seconds", "0.1", "--json"],
    ]);
    assertEquals(code, 0, stderr);
    const rows = stdout.trim().split("\n").map((line) => JSON.parse(line));
    assert(rows.length >= 4 && rows.length % 4 === 0, `${rows.length} rows`);
    for (let i = 0; i < rows.length; i += 2) {
      const [plain, causal] = rows.slice(i, i + 2);
      assertEquals([plain, causal].map((row) => row.case.includes("causal")), [false, true]);
      assertEquals([plain.backend, causal.backend], ["builtin", "builtin"]);
      assertEquals(plain.times_ideal, 1);
      assert(Math.abs(causal.times_ideal / (causal.ms / plain.ms) - 1) < 1e-9);
    }
  });
}

for (
  const [args, sentence] of [
    [["--tokens", "100"], '--tokens is "100"; it should be a multiple of 128.'],
    [
      ["--parts", "table,length"],
      '--parts holds "length"; the parts are table, densities, lengths, causal, numbers, forward, stages, rules.',
    ],
    [["--token", "128"], "--token is not an option; the nearest one is --tokens."],
    [
      ["--matrix", "16x16"],
      '--matrix is "16x16"; the nearest is 16x16x8. It should be one of 16x16x16, 16x16x8, 16x8x16, 8x16x16, 16x8x8, 8x16x8, 8x8x16, 8x8x8.',
    ],
    [["--parts", "table", "--filter", "D=7 "], '--filter "D=7 " matches no case.'],
  ] as const
) {
  Deno.test(`bench:gpu refuses ${args.join(" ")}`, async () => {
    const { code, stderr } = await callPsa("bench", args);
    assertEquals(code, 2);
    assertEquals(stderr.trim().split("\n").at(-1), sentence);
  });
}
