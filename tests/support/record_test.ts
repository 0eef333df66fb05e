/** Records of long tasks: finished pieces are not repeated, parts are joined, and records of other tasks are refused. */
import { assertEquals, assertRejects } from "./assert.ts";
import { OptionReader } from "../../bench/options/reader.ts";
import { InputError } from "../../reference/errors.ts";
import { TemporaryFolder } from "./command.ts";
import { recorded } from "./record.ts";

const pieces = [1, 2, 3, 4, 5].map((work) => ({ key: `piece ${work}`, work }));

/** Does the pieces that are left; the results, and which were done. */
async function done(given: Record<string, unknown>, { task = "squares", most = Infinity } = {}) {
  const ran: number[] = [];
  const results = await recorded<number, number>(
    { task, pieces, read: new OptionReader(given), tell: () => {} },
    (works, onDone) => {
      for (const [place, work] of works.entries()) {
        if (ran.length === most) throw new Error("stopped");
        ran.push(work);
        onDone(work === 3 ? NaN : work * work, place);
      }
      return Promise.resolve();
    },
  );
  return { results, ran };
}

Deno.test("record: what stopped goes on with what is left, and numbers that are not finite survive", async () => {
  await using folder = new TemporaryFolder();
  const record = folder.at("a.jsonl");
  await assertRejects(() => done({ record }, { most: 3 }), Error, "stopped");
  const text = Deno.readTextFileSync(record);
  Deno.writeTextFileSync(record, text.slice(0, -4)); // a machine went away in the third line
  assertEquals(await done({ record }), { results: [1, 4, NaN, 16, 25], ran: [3, 4, 5] });
  assertEquals(await done({ record }), { results: [1, 4, NaN, 16, 25], ran: [] });
});

Deno.test("record: parts have no result, and all records together have it", async () => {
  await using folder = new TemporaryFolder();
  const [first, second] = [folder.at("1"), folder.at("2")];
  assertEquals(await done({ record: first, shard: "1/2" }), { results: null, ran: [1, 3, 5] });
  assertEquals(await done({ record: second, shard: "2/2" }), { results: null, ran: [2, 4] });
  assertEquals(await done({ record: [first, second] }), { results: [1, 4, NaN, 16, 25], ran: [] });
});

Deno.test("record: one of another task, of other sources, or none at all, is refused", async () => {
  await using folder = new TemporaryFolder();
  const record = folder.at("a.jsonl");
  await done({ record });
  await assertRejects(() => done({ record }, { task: "cubes" }), InputError, "but of `deno task squares`");
  const [head, ...rest] = Deno.readTextFileSync(record).split("\n");
  Deno.writeTextFileSync(record, [head.replace(/"sources":"\w+/, '"sources":"0'), ...rest].join("\n"));
  await assertRejects(() => done({ record }), InputError, "made from other sources");
  assertEquals((await done({ record, "old-records": true })).ran, []);
  for (const text of ["case,error\n", "null\n", '{"task":"squ']) {
    Deno.writeTextFileSync(record, text);
    await assertRejects(() => done({ record }), InputError, "is no record of `deno task squares`.");
    assertEquals(Deno.readTextFileSync(record), text, "what is no record stays as it is");
  }
  await assertRejects(
    () => done({ record: [folder.at("b.jsonl"), folder.at("none.jsonl")] }),
    InputError,
    "none.jsonl",
  );
  await assertRejects(() => done({ shard: "1/2" }), InputError, "--shard needs --record");
});
