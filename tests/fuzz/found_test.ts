/** Mistakes that fuzzing found stay mended; and a few cases of every target, different ones for each commit. */
import { TEST_SEED } from "../support/seed.ts";
import { savedFindings } from "./found.ts";
import { closeGpu } from "./kernels.ts";
import { fuzzTarget } from "./target.ts";
import { KERNELS, READERS } from "./targets.ts";

/** Cases of a reader in this short form; the long one is `deno task fuzz`. */
const SHORT = 12;

for (const { file, target, given } of await savedFindings()) {
  Deno.test(`fuzz: what was found once stays mended: ${file}`, async () => {
    const found = [...READERS, ...KERNELS].find(({ name }) => name === target);
    if (found === undefined) throw new Error(`${file} is of the target ${target}, which is none.`);
    try {
      await found.check(given);
    } finally {
      closeGpu();
    }
  });
}

for (const target of READERS) {
  Deno.test(`fuzz: ${target.name}`, async () => {
    const { finding } = await fuzzTarget(target, { seed: TEST_SEED, runs: SHORT });
    if (finding) throw new Error(`${JSON.stringify(finding.given)}\n${finding.error}`);
  });
}
