import { wgslOf } from "../../../bench/cli/wgsl.ts";
import { InputError } from "../../../reference/errors.ts";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "../../support/assert.ts";

Deno.test("wgsl: what is printed has no directive left, for every choice of options", () => {
  for (const dtype of ["f32", "f16"]) {
    for (
      const flags of [[], ["--dense"], ["--causal", "--partial"], [
        "--no-subgroups",
        "--workgroup-memory",
        "32768",
      ]]
    ) {
      for (const dim of ["8", "64", "136"]) {
        const text = wgslOf(["attention", "--dtype", dtype, "--head-dim", dim, ...flags]);
        assertEquals(text.match(/^\s*\/\/#(for|if|else|end)|#\{/m), null);
        assertEquals(text.includes("enable f16;"), dtype === "f16");
        assertEquals(text.includes("subgroupShuffleXor"), !flags.includes("--no-subgroups"));
      }
    }
  }
});

Deno.test("wgsl: the pyramid writes the levels that are asked for", () => {
  const text = wgslOf(["pyramid", "--levels", "1,2,8"]);
  assertEquals([...text.matchAll(/write0\(head, (\d)u/g)].map(([, level]) => level), ["1", "3"]);
});

Deno.test("wgsl: importance has the chunks that its rows are long, and no directive left", () => {
  for (const flags of [[], ["--dtype", "f16", "--stride", "4"], ["--no-subgroups", "--head-dim", "8"]]) {
    assertEquals(wgslOf(["importance", ...flags]).match(/^\s*\/\/#|#\{/m), null);
  }
  const steps = (...flags: string[]) => wgslOf(["importance", ...flags]).match(/const STEPS = (\d+)u/)?.[1];
  assertEquals([steps(), steps("--dtype", "f16"), steps("--stride", "8")], ["4", "2", "32"]);
});

Deno.test("wgsl: bad input is one sentence", () => {
  assertThrows(() => wgslOf(["attention", "--head-dims", "8"]), InputError, "the nearest one is --head-dim");
  assertThrows(() => wgslOf(["levels"]), InputError, 'The kernel is "levels"');
  assertThrows(() => wgslOf(["attention", "--head-dim", "12"]), InputError, "multiples of 8");
  assertThrows(() => wgslOf(["attention", "--dtype", "f64"]), InputError, "one of f32, f16");
  assertThrows(() => wgslOf(["pyramid", "--levels", "3"]), InputError, "powers of two");
  assertStringIncludes(wgslOf(["--help"]), "--workgroup-memory");
  assert(wgslOf(["attention"]).length > 1000);
});
