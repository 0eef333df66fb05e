/** `deno task tune` as a user runs it, with the permissions of its task. */
import { parseTuned } from "../../../bench/tune/file.ts";
import { main } from "../../../bench/cli/psa.ts";
import { InputError } from "../../../reference/errors.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "../../support/assert.ts";
import { callPsa, runPsa, TemporaryFolder } from "../../support/command.ts";

const SMALL = ["--workload", "video", "--seq", "128", "--dim", "8", "--block-m", "16", "--block-n", "16"];
const RUN = [...SMALL, "--seeds", "2", "--density", ".25", "--methods", "ranked", "--importance", "pooled"];

Deno.test("tune: chooses, proves, writes, and proves the file again on other inputs", async () => {
  await using folder = new TemporaryFolder();
  const out = folder.at("tuned.json");
  const first = await runPsa("tune", [...RUN, "--out", out]);
  assertEquals([first.code, first.stderr], [0, ""]);
  assertStringIncludes(first.stdout, "Chosen on video (seed 1) among 8 candidates per head");
  assertStringIncludes(first.stdout, "Proved on video (seed 2), which nothing was chosen on:");
  assertMatch(first.stdout, /^(Tuned (beats|does not beat|is worse than) psa .*)$/m);
  const tuned = parseTuned(await Deno.readTextFile(out), out);
  assertEquals([tuned.heads.length, tuned.density, tuned.heldOut[0].seed], [2, 0.25, 2]);
  const again = await runPsa("tune", [...SMALL, "--seed", "2", "--seeds", "1", "--from", out]);
  assertEquals([again.code, again.stderr], [0, ""]);
  const proof = (text: string) =>
    text.slice(text.indexOf("Proved on"), text.indexOf(" psa ", text.indexOf("Tuned ")));
  assertEquals(proof(again.stdout), proof(first.stdout));
  const other = await callPsa("tune", [...SMALL, "--heads", "1", "--from", out]);
  assertEquals([other.code, other.stdout], [2, ""]);
  assertMatch(
    other.stderr,
    /^\S+ is for `heads` \[0,1\]; video has \[0\]: tune on inputs of this shape\.\n$/,
  );
  const only = await callPsa("tune", [...SMALL, "--seeds", "1", "--out", folder.at("b.json")]);
  assertEquals([only.code, only.stdout], [2, ""]);
  assertMatch(only.stderr, /^video is the only input: nothing to prove on; .*\n$/);
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["tuned.json"]);
});

const REFUSED: readonly (readonly [args: string, sentence: RegExp])[] = [
  ["", /There is no input; give several/],
  ["--workload video --input a", /inputs of one tuning are either files or workloads/],
  ["--workload video --density 0", /--density is "0"; it should be a number above 0 and below 1/],
  ["--workload video --density 1.5", /--density is "1.5"/],
  ["--workload video --budget time", /--budget is "time"; .*density, cost/],
  ["--workload video --order spiral", /--order is "spiral"/],
  ["--workload video --methods sta", /--methods is "sta"; .*ranked/],
  ["--workload video --importance none", /--importance is "none"/],
  ["--workload video --held-out 1.2", /a share should be above 0 and below 1/],
  ["--workload gaussian --order tile --seq 128 --dim 8", /--order tile needs the grid of gaussian/],
  ["--workload sinks --order tile --seq 128 --dim 8", /it is causal/],
  ["--workload video --from nowhere.json", /--from nowhere.json cannot be read/],
  ["--input nowhere", /There is no file or folder nowhere/],
  [
    "--workload video --seq 128 --dim 8 --density .03 --budget cost --seeds 2",
    /None of the 29 candidates keeps the density/,
  ],
  [
    "--workload video --seq 1024 --dim 8 --heads 1 --block-n 16 --density .03 --budget cost --methods spargeattn --seeds 2",
    /--density is too small for --budget cost/,
  ],
];

Deno.test("tune: what is refused is one sentence, and nothing is written", async () => {
  await using folder = new TemporaryFolder();
  for (const [args, sentence] of REFUSED) {
    const run = () => main(["tune", ...args.split(" ").filter(Boolean), "--out", folder.at("t.json")]);
    const { message } = await assertRejects(run, InputError);
    assertMatch(message, sentence);
    assert(!message.includes("\n"), message);
  }
  await Deno.writeTextFile(folder.at("t.json"), "mine");
  const run = () => main(["tune", ...RUN, "--out", folder.at("t.json")]);
  await assertRejects(run, InputError, "is there already; --force replaces it");
  assertEquals(await Deno.readTextFile(folder.at("t.json")), "mine");
});
