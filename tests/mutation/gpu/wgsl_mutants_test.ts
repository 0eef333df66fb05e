/** Mistakes planted into our own WGSL are found by the kit, and named where the catalogue has them. */
import { Catalogue } from "../../../fixtures/conformance/diagnose/catalogue.ts";
import { judgeMutant, MUTANTS, ourCases } from "./judge.ts";
import { attentionCases } from "../kill_matrix.ts";
import type { WgslMutant } from "./wgsl_mutant.ts";
import { WGSL_MUTANTS } from "./wgsl_mutants.ts";
import { wgslOf } from "../../../bench/cli/wgsl.ts";
import { attentionCode } from "../../../kernels/attention/variant.ts";
import { openGpu } from "../../../kernels/device/open/open.ts";
import { InputError } from "../../../mod.ts";
import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { drawn, TEST_SEED } from "../../support/seed.ts";

const PAGE = new URL("../../../docs/kill-matrix-gpu.md", import.meta.url);

function mutantOf(name: string): WgslMutant {
  const mutant = WGSL_MUTANTS.find((each) => each.name === name);
  assert(mutant !== undefined, name);
  return mutant;
}

/** The texts of all kernels: the files, and what is made of those of attention for some devices. */
function kernelTexts(folder = new URL("../../../kernels/", import.meta.url)): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    if (isDirectory) return kernelTexts(new URL(`${name}/`, folder));
    return name.endsWith(".wgsl") ? [Deno.readTextFileSync(new URL(name, folder))] : [];
  });
}

Deno.test("WGSL mutants: every text that one replaces stands in a kernel", () => {
  const made = [["attention"], ["attention", "--no-subgroups"], ["attention", "--partial", "--causal"]];
  const shortLists = attentionCode(
    {
      subgroupSize: 32,
      subgroupDirective: "",
      matrices: null,
      limits: { maxComputeWorkgroupStorageSize: 49152 },
    },
    {
      ...{ shape: { headDim: 64, valueDim: 64 }, blockM: 128, dtype: "f32", group: 8 },
      ...{ dense: false, causal: false, partial: false, shortLists: true },
    },
  );
  const texts = [...kernelTexts(), ...made.map(wgslOf), shortLists];
  for (const { name, kernel, replace } of WGSL_MUTANTS) {
    for (const [pattern] of replace) {
      assert(
        texts.some((text) => text.search(pattern) >= 0),
        `"${name}" of ${kernel}: ${pattern} is nowhere`,
      );
    }
  }
});

// A commit draws one of these, or none.
if (drawn(0, 3)) {
  Deno.test("WGSL mutants: log term, pooling and shared heads are killed and named; without a mistake nothing is", async () => {
    using gpu = await openGpu();
    const cases = attentionCases("smoke").filter(({ listed }) => listed.case.includes("B=2 H=4"));
    const catalogue = new Catalogue();
    assertEquals(cases.length, 1);
    const judge = (mutant: WgslMutant | null) => judgeMutant(gpu, mutant, { cases, catalogue });
    assertEquals((await judge(null)).failing, 0);
    for (
      const name of ["log term missing", "pooled by the sum", "kv head mapped modulo", "last block dropped"]
    ) {
      const { failing, changed, names } = await judge(mutantOf(name));
      assertEquals([failing, changed], [1, 1], name);
      assert(names.includes(name), `${name} is called ${names}`);
    }
    await assertRejects(
      () => judge({ ...mutantOf("lse in base 2"), replace: [[/this is nowhere/g, ""]] }),
      InputError,
      'The mutant "lse in base 2" is nowhere in the text of the kernel attention.',
    );
  });
}

if (drawn(1, 3)) {
  Deno.test("WGSL mutants: importance, levels and caps are killed and named, and so are writes behind the output", async () => {
    using gpu = await openGpu();
    const catalogue = new Catalogue(), all = ourCases();
    for (
      const name of ["key heads taken modulo", "causal diagonal forgotten", "comparison of the cap inverted"]
    ) {
      const mutant = mutantOf(name),
        cases = all.filter(({ listed }) => listed.case.startsWith(`${mutant.stage} `));
      const { failing, names } = await judgeMutant(gpu, mutant, { cases, catalogue });
      assert(failing > 0, name);
      assertEquals(names, [name]);
    }
    const tail = all.filter(({ listed }) => listed.case.includes("B=2 H=4 Hk=2 Lq=130"));
    const stray = await judgeMutant(gpu, mutantOf("rows beyond the last query are written"), {
      cases: tail,
    });
    assertEquals([stray.failing, stray.cases], [1, 1]);
  });
}

/** Asserts that a mutant of the catalogue has the name that the page says: its own, another in full, or none. */
function assertNamed({ name, kernel }: WgslMutant, names: readonly string[], page: string): void {
  const cells = page.split("\n").map((row) => row.split("|").map((cell) => cell.trim()));
  const said = cells.find((row) => row[1] === kernel && row[2] === name)?.at(-2) ?? "";
  const expected = /^(yes|one of)/.test(said) ? [name] : said === "no" ? [] : [said];
  assert(expected.every((one) => names.includes(one)), `"${name}" is called ${names}; the page: ${said}`);
  if (said === "no") assert(names.every((one) => one === name), `"${name}" is called ${names}`);
}

if (drawn(2, 20)) { // in every twentieth commit: the search for its name takes a minute or two
  Deno.test("WGSL mutants: one drawn by the seed of the run is killed, and named as the page says", async () => {
    using gpu = await openGpu();
    const catalogue = new Catalogue(), all = ourCases();
    const some = WGSL_MUTANTS.filter(({ stage }) => stage === "attention");
    const mutant = some[(TEST_SEED >>> 0) % some.length];
    const cases = all.filter(({ listed }) => listed.case.startsWith(`${mutant.stage} `));
    const { failing, names } = await judgeMutant(gpu, mutant, { cases, catalogue });
    assert(failing > 0, `"${mutant.name}" survives`);
    if (mutant.known) assertNamed(mutant, names, await Deno.readTextFile(PAGE));
  });
}

Deno.test("WGSL mutants: the page lists them all", async () => {
  const page = await Deno.readTextFile(PAGE);
  const listed = page.split("\n").filter((line) => line.startsWith("| ") && !/^\| (kernel|-+) /.test(line));
  const names = ({ kernel, name }: WgslMutant) => `${kernel} ${name}`;
  const shown = listed.map((row) => row.split("|").slice(1, 3).map((cell) => cell.trim()).join(" "));
  const matrix = shown.length > MUTANTS.plain.length ? MUTANTS.matrix : []; // where the page has a device with matrix units
  assertEquals(shown, [...MUTANTS.plain, ...matrix].map(names));
});
