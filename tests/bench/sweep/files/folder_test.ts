/** The folder of a run: it is locked, never emptied, replaced only with --force, and holds only complete files. */
import { openFolder } from "../../../../bench/sweep/files/folder.ts";
import { lockFolder } from "../../../../bench/sweep/files/lock.ts";
import { runPlan } from "../../../../bench/sweep/runner.ts";
import { readRun, writeRun, writeWhole } from "../../../../bench/sweep/files/write.ts";
import { OutputError } from "../../../../bench/text/output.ts";
import { InputError } from "../../../../mod.ts";
import type { Method } from "../../../../reference/methods/method.ts";
import { assert, assertEquals, assertMatch, assertRejects } from "../../../support/assert.ts";
import { TemporaryFolder } from "../../../support/command.ts";
import { makeSweepRow } from "../../../support/rows.ts";
import { smallPlan } from "../../../support/small_plan.ts";

const NEW = { resume: false, force: false };

/** A run of one row. */
async function putRun(path: string): Promise<string> {
  await Deno.mkdir(path, { recursive: true });
  await writeRun(path, { rows: [makeSweepRow()], environment: {} });
  return await Deno.readTextFile(`${path}/sweep.csv`);
}

/** The names in a folder. */
const namesIn = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name).sort();

Deno.test("folder: a second run into it is refused, and what a killed one left half written goes", async () => {
  await using folder = new TemporaryFolder();
  await Deno.writeTextFile(folder.at("sweep.csv.77.part"), "half");
  await Deno.writeTextFile(folder.at(".lock"), "");
  {
    await using lock = await openFolder({ out: folder.path, ...NEW });
    assertEquals(lock.folder, folder.path);
    await assertRejects(
      () => openFolder({ out: folder.path, ...NEW, force: true }),
      InputError,
      "Another run writes to",
    );
    assertEquals(await lockFolder(folder.path), null);
  }
  assertEquals(namesIn(folder.path), []);
});

Deno.test("folder: a run that is there is not replaced unasked, and the next number is taken where none is named", async () => {
  await using folder = new TemporaryFolder();
  const usual = folder.at("results"), before = await putRun(usual);
  await assertRejects(
    () => openFolder({ out: usual, ...NEW }),
    InputError,
    "has a run; --resume continues it, --force replaces it, --out names another folder.",
  );
  await assertRejects(() => openFolder({ out: usual, resume: true, force: true }), InputError, "one of them");
  await assertRejects(
    () => openFolder({ out: folder.at("none"), resume: true, force: false }),
    InputError,
    "no run",
  );
  assert(!namesIn(folder.path).includes("none"));
  const where = async (asked: Partial<typeof NEW>) => {
    await using lock = await openFolder({ out: null, usual, ...NEW, ...asked });
    return lock.folder;
  };
  assertEquals(await where({}), `${usual}/2`);
  assertEquals(await where({ resume: true }), usual);
  await putRun(`${usual}/2`);
  assertEquals([await where({}), await where({ resume: true })], [`${usual}/3`, `${usual}/2`]);
  assertEquals(await where({ force: true }), usual);
  assertEquals(await Deno.readTextFile(`${usual}/sweep.csv`), before);
});

Deno.test("folder: with --force the old rows stay until there are new ones", async () => {
  await using folder = new TemporaryFolder();
  const before = await putRun(folder.path), { environment, ...plan } = await smallPlan();
  await Deno.writeTextFile(folder.at("report.html"), "old");
  const context = { gpu: null, environment, done: [], folder: folder.path, replaces: true };
  const at = (name: string) => Deno.readTextFile(folder.at(name));
  const { stopped } = await runPlan(plan, { ...context, stop: AbortSignal.abort() });
  assertEquals([stopped, await at("sweep.csv"), await at("report.html")], [true, before, "old"]);
  await runPlan(plan, context);
  assertEquals((await readRun(folder.path)).rows.map(({ method }) => method)[0], "dense");
  assertEquals(namesIn(folder.path), ["environment.json", "sweep.csv"], "the old report is of other rows");
});

Deno.test("folder: on a full disk the file that was there stays, and the finished rows are kept elsewhere", async () => {
  await using folder = new TemporaryFolder();
  const { environment, ...plan } = await smallPlan(), before = await putRun(folder.path);
  const full = folder.at(`sweep.csv.${Deno.pid}.part`);
  await Deno.symlink("/dev/full", full);
  await assertRejects(
    () => writeWhole(folder.at("sweep.csv"), "new"),
    OutputError,
    "sweep.csv cannot be written: ",
  );
  assertEquals(namesIn(folder.path), ["environment.json", "sweep.csv"]);
  await Deno.symlink("/dev/full", full);
  const context = { gpu: null, environment, done: [], folder: folder.path, replaces: true };
  const error = await assertRejects(() => runPlan(plan, context), OutputError);
  assertEquals(await Deno.readTextFile(folder.at("sweep.csv")), before);
  assertMatch(error.message, /The run stops; its 5 finished rows are in .*psa-sweep-/);
  const elsewhere = error.message.match(/are in (.*)\.$/)![1];
  assertEquals((await readRun(elsewhere)).rows.length, 5);
  await Deno.remove(elsewhere, { recursive: true });
});

Deno.test("folder: where it is deleted during the run, that is said, and the finished rows are kept elsewhere", async () => {
  await using folder = new TemporaryFolder();
  const { environment, ...plan } = await smallPlan("--workload", "gaussian", "--workload", "video");
  const path = folder.at("results");
  await Deno.mkdir(path);
  const onRows = () => Deno.removeSync(path, { recursive: true });
  const error = await assertRejects(
    () => runPlan(plan, { gpu: null, environment, done: [], folder: path, onRows }),
    OutputError,
    "cannot be written",
  );
  const elsewhere = error.message.match(/its 10 finished rows are in (.*)\.$/)![1];
  assertEquals((await readRun(elsewhere)).rows.length, 10);
  await Deno.remove(elsewhere, { recursive: true });
});

Deno.test("a run that is asked to stop keeps the rows that are finished, and goes on from them", async () => {
  await using folder = new TemporaryFolder();
  const { environment, ...plan } = await smallPlan(), stop = new AbortController();
  const { inputs: [{ cases }] } = plan, second = cases[1].given;
  const select = ((inputs, density) => {
    stop.abort();
    return second.method.select(inputs, density);
  }) as Method["select"];
  const stopping = { ...second.method, select } as Method;
  const [dense, psa, ...others] = cases, input = plan.inputs[0];
  const changed = [dense, { ...psa, given: { ...psa.given, method: stopping } }, ...others];
  const context = { gpu: null, environment, folder: folder.path };
  const run = await runPlan({ inputs: [{ ...input, cases: changed }] }, {
    ...context,
    done: [],
    stop: stop.signal,
  });
  const kept = (await readRun(folder.path)).rows;
  assert(run.stopped && kept.length >= 1 && kept.length < cases.length, `${kept.length} rows`);
  const whole = await runPlan(plan, { ...context, done: kept });
  assertEquals([whole.stopped, whole.rows.length], [false, cases.length]);
});
