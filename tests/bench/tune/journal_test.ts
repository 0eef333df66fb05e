/** The journal of a tuning: finished measurements are not repeated, and a journal belongs to one tuning only. */
import { headerOf, openJournal } from "../../../bench/tune/journal.ts";
import { openInputs, splitInputs } from "../../../bench/tune/inputs.ts";
import { main } from "../../../bench/cli/psa.ts";
import { tuneInputs, type TuneOptions } from "../../../bench/tune/tune.ts";
import { InputError } from "../../../reference/errors.ts";
import { assert, assertEquals, assertMatch, assertRejects } from "../../support/assert.ts";
import { TemporaryFolder } from "../../support/command.ts";

const OPTIONS: TuneOptions = {
  ...{ blockM: 16, blockN: 16, density: 0.25, seed: 1, rounds: [1, 4] },
  ...{ methods: ["ranked"], importances: ["pooled"] },
};
const inputs = splitInputs(
  await openInputs(
    { workload: "video", seq: "128", dim: "8", heads: "2", "block-m": "16", "block-n": "16" },
    [1, 2],
  ),
  0.5,
  1,
);
const HEADER = headerOf(inputs, { ...OPTIONS });

Deno.test("journal: a tuning that is stopped anywhere goes on, and comes to the same", async () => {
  await using folder = new TemporaryFolder();
  const path = folder.at("t.part"), want = await tuneInputs(inputs, OPTIONS);
  let made = 0;
  {
    using journal = await openJournal(path, HEADER, { begin: "first" });
    const recall: typeof journal.recall = (name, make) =>
      journal.recall(name, () => {
        if (made++ === 13) throw new Error("the power fails");
        return make();
      });
    await assertRejects(
      () => tuneInputs(inputs, { ...OPTIONS, journal: { recall } }),
      Error,
      "the power fails",
    );
  }
  await Deno.writeTextFile(path, '["half a li', { append: true }); // a line that was not written to its end
  let more = 0;
  {
    using journal = await openJournal(path, HEADER, { begin: "resume" });
    assertEquals(journal.size, 13);
    const recall: typeof journal.recall = (name, make) => journal.recall(name, () => (more++, make()));
    assertEquals(await tuneInputs(inputs, { ...OPTIONS, journal: { recall } }), want);
    assertEquals(journal.size, 13 + more);
    for (const begin of ["first", "resume", "anew"] as const) {
      const other = () => openJournal(path, HEADER, { begin });
      await assertRejects(other, InputError, `${path} is of a tuning that is running; wait until it ends`);
    }
  }
  using again = await openJournal(path, HEADER, { begin: "resume" });
  assertEquals(again.size, 13 + more, "a journal that was taken up again is whole");
});

Deno.test("journal: what is of another tuning is refused in a sentence", async () => {
  await using folder = new TemporaryFolder();
  const path = folder.at("t.part");
  const open = (header: typeof HEADER, begin: "resume" | "first" | "anew") => async () => {
    (await openJournal(path, header, { begin }))[Symbol.dispose]();
  };
  await assertRejects(open(HEADER, "resume"), InputError, "nothing to resume; leave --resume out");
  await open(HEADER, "first")();
  await assertRejects(open(HEADER, "first"), InputError, "--resume continues it, --force begins anew");
  await assertRejects(
    open({ ...HEADER, density: 0.3 }, "resume"),
    InputError,
    `--resume cannot go on with ${path}: its \`density\` was 0.25, now it is 0.3; --force begins anew.`,
  );
  const others = await openInputs({ workload: "video", seq: "128", dim: "8", heads: "2" }, [1, 3]);
  await assertRejects(
    open(headerOf(splitInputs(others, 0.5, 1), { ...OPTIONS }), "resume"),
    InputError,
    "`heldOut` was",
  );
  await open({ density: 0.3 }, "anew")();
  for (const text of ["not JSON\n", "null\n", "{}\n5\n"]) {
    await Deno.writeTextFile(path, text);
    await assertRejects(open(HEADER, "resume"), InputError, "is no journal of a tuning");
    assertEquals(await Deno.readTextFile(path), text, "what is no journal stays");
  }
  await Deno.writeTextFile(path, ""); // killed, or the disk full, before the first line
  await open(HEADER, "first")();
});

Deno.test("journal: the command leaves one while it works, goes on with it, and takes it away at the end", async () => {
  await using folder = new TemporaryFolder();
  const out = folder.at("t.json"),
    small = ["--workload", "video", "--seq", "128", "--dim", "8", "--seeds", "2"];
  const args = [
    "tune",
    ...small,
    "--block-m",
    "16",
    "--block-n",
    "16",
    "--methods",
    "xattention",
    "--density",
    ".25",
  ];
  const run = (...more: string[]) => main([...args, "--out", out, ...more]);
  await assertRejects(() => run("--resume"), InputError, "nothing to resume");
  await Deno.writeTextFile(`${out}.part`, "{}\n");
  await assertRejects(() => run(), InputError, "is of a tuning that was stopped");
  await assertRejects(() => run("--resume"), InputError, "--resume cannot go on with");
  for (
    const [more, sentence] of [
      [["--time", "--budget", "cost"], /--time and --budget were given/],
    ] as const
  ) {
    const { message } = await assertRejects(() => run(...more), InputError);
    assertMatch(message, sentence);
  }
  assert((await Deno.stat(`${out}.part`)).isFile, "what is left of a tuning is never taken away unasked");
  await Deno.remove(`${out}.part`);
  assertEquals(await run(), 0);
  const whole = await Deno.readTextFile(out);
  await assertRejects(() => run(), InputError, "is there already; --force replaces it");
  await Deno.writeTextFile(`${out}.part`, ""); // killed when the file was there, or before the first line
  assertEquals(await run("--resume"), 0);
  assertEquals(await Deno.readTextFile(out), whole);
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["t.json"]);
});
