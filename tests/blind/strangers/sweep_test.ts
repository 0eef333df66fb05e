/**
 * A sweep in the hands of a stranger: twice at once, killed in the middle, nowhere to print, damaged results.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { TemporaryFolder } from "../../support/command.ts";
import { assertCame, assertRefused, move, program, task } from "./move.ts";

const SMALL = "sweep --no-gpu --workload video --seq 256 --dim 16 --block-m 32 --block-n 16".split(" ");
/** Takes half a minute or more; the rows of one layout of six come at once. */
const LONG =
  "sweep --no-gpu --workload gaussian --block-m 32,64,128 --block-n 32,64 --seq 2048 --dim 64 --densities 1,.25"
    .split(" ");
const LONG_ROWS = 30;

/** The lines of a CSV that a run left, each with as many fields as the first. */
async function rowsOf(folder: string): Promise<string[]> {
  const text = await Deno.readTextFile(`${folder}/sweep.csv`).catch(() => "");
  return text.split("\n").filter((line) => line !== "");
}

/** Waits until a run has a finished row. */
async function untilRow(folder: string): Promise<void> {
  for (let n = 0; n < 300; n++) {
    if ((await rowsOf(folder)).length > 1) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("no row in 30 s");
}

/** How many processes of a group there are. */
function alive(group: number): number {
  const { stdout } = new Deno.Command("ps", { args: ["-eo", "pgid="] }).outputSync();
  return new TextDecoder().decode(stdout).split("\n").filter((line) => Number(line) === group).length;
}

/** A small sweep into a folder. */
const small = (out: string, ...more: string[]) =>
  task([...SMALL, "--densities", "1,.25", "--out", out, ...more]);

move("a second sweep does not destroy the first", async (folder) => {
  const out = folder.at("results");
  assertCame(await small(out), 0);
  const before = await Deno.readTextFile(`${out}/sweep.csv`);
  await task([...SMALL, "--densities", "1,.5,.1", "--out", out]);
  assertEquals(await Deno.readTextFile(`${out}/sweep.csv`), before);
});

move("two sweeps at once into one folder", async (folder) => {
  const out = folder.at("results");
  const done = await Promise.all([small(out), small(out)]);
  assertEquals(done.map(({ code }) => code).toSorted(), [0, 2]);
  assertEquals((await rowsOf(out)).length > 1, true);
});

for (const [signal, code] of [["INT", 130], ["TERM", 143], ["HUP", 129]] as const) {
  move(`SIG${signal} in the middle of a sweep`, async (folder) => {
    const out = folder.at("results");
    let group = 0;
    const done = await task([...LONG, "--out", out], {
      limit: 60,
      meanwhile: async (pid) => {
        group = pid;
        await untilRow(out);
        const whom = signal === "INT" ? `-${pid}` : `${pid}`; // a terminal tells all processes, others one
        new Deno.Command("kill", { args: [`-${signal}`, "--", whom] }).outputSync();
      },
    });
    for (let n = 0; n < 20 && alive(group) > 0; n++) await new Promise((resolve) => setTimeout(resolve, 100));
    assertEquals(alive(group), 0, "a process runs on");
    if (signal === "HUP") assert([129, 130, 143].includes(done.code), `exit code ${done.code}`);
    else assertEquals(done.code, code);
    const rows = await rowsOf(out);
    assert(rows.length > 1 && rows.length <= LONG_ROWS, `${rows.length} lines`);
    assert((await Deno.readTextFile(`${out}/sweep.csv`)).endsWith("\n"));
    await Deno.stat(`${out}/report.html`);
  });
}

move("kill -9 in the middle of a sweep, then --resume", async (folder) => {
  const out = folder.at("results"), sweep = [...LONG, "--out", out];
  await task(sweep, {
    meanwhile: async (pid) => {
      await untilRow(out);
      new Deno.Command("kill", { args: ["-KILL", "--", `-${pid}`] }).outputSync();
    },
  });
  assertCame(await task([...sweep, "--resume"], { limit: 90 }), 0);
  const rows = await rowsOf(out), cases = rows.slice(1).map((row) => row.slice(0, row.indexOf(",")));
  assertEquals(rows.length, 1 + LONG_ROWS);
  assertEquals(new Set(rows).size, rows.length, cases.join());
});

move("a sweep whose output is closed early leaves whole files", async (folder) => {
  const out = folder.at("results");
  const words = [Deno.execPath(), "task", "-q", ...SMALL, "--densities", "1,.25", "--out", out].join(" ");
  const done = await program("bash", ["-c", `set -o pipefail; ${words} | head -1`]);
  assertCame(done, done.code);
  assert(!/\berror\b|pipe/i.test(done.stderr), done.stderr); // "errors" is a stage of the work
  for (const name of ["sweep.csv", "environment.json", "report.html"]) await Deno.stat(`${out}/${name}`);
});

move("a sweep that prints to a full disk", async (folder) => {
  const out = folder.at("results");
  const words = [Deno.execPath(), "task", "-q", ...SMALL, "--densities", "1,.25", "--out", out].join(" ");
  const done = await program("bash", ["-c", `${words} > /dev/full`]);
  assertCame(done, 1, /full|space|written/i);
  await Deno.stat(`${out}/sweep.csv`);
});

/** Two runs of the same small sweep, the second to be changed. */
async function twoRuns(folder: TemporaryFolder): Promise<readonly [before: string, after: string]> {
  const before = folder.at("before"), after = folder.at("after");
  assertCame(await small(before), 0);
  await program("cp", ["-r", before, after]);
  return [before, after];
}

/** Changes the lines of a run's CSV. */
async function changeRows(folder: string, change: (lines: string[]) => string[]): Promise<void> {
  await Deno.writeTextFile(`${folder}/sweep.csv`, change(await rowsOf(folder)).join("\n") + "\n");
}

move("compare where nothing changed", async (folder) => {
  const [before, after] = await twoRuns(folder);
  assertCame(await task(["compare", before, after, "--fail-on", "rel_l2>1.05x"]), 0);
});

move("compare where a row is lost", async (folder) => {
  const [before, after] = await twoRuns(folder);
  await changeRows(after, (lines) => lines.slice(0, -1));
  assertCame(await task(["compare", before, after, "--fail-on", "rel_l2>1.05x"]), 1, /lost|missing|gone/i);
});

move("compare where ok became wrong", async (folder) => {
  const [before, after] = await twoRuns(folder);
  const replace = (lines: string[]) => {
    const changed = lines.map((line) => line.replace(/(?<=,)(ok|skipped|reference|no-gpu)(?=,|$)/, "wrong"));
    assert(String(changed) !== String(lines), `no status in ${lines[1]}`);
    return changed;
  };
  await changeRows(after, replace);
  assertCame(await task(["compare", before, after, "--fail-on", "rel_l2>1.05x"]), 1, /wrong/);
});

move("compare where a value became empty", async (folder) => {
  const [before, after] = await twoRuns(folder);
  await changeRows(after, ([head, ...lines]) => {
    const at = head.split(",").indexOf("rel_l2"), last = lines.at(-1)!.split(",");
    assert(at >= 0 && !lines.at(-1)!.includes('"'), "another form of CSV");
    return [head, ...lines.slice(0, -1), last.with(at, "").join(",")];
  });
  assertCame(await task(["compare", before, after, "--fail-on", "rel_l2>1.05x"]), 1, /empty|rel_l2/);
});

for (const command of ["compare", "merge"] as const) {
  move(`${command} of a damaged CSV`, async (folder) => {
    const [before, after] = await twoRuns(folder);
    await Deno.writeTextFile(`${after}/sweep.csv`, 'case,"unfinished\n1,2,3');
    const out = command === "merge" ? ["--out", folder.at("merged")] : [];
    assertRefused(await task([command, before, after, ...out]), /sweep\.csv/);
  });
  move(`${command} of a damaged JSON`, async (folder) => {
    const [before, after] = await twoRuns(folder);
    await Deno.writeTextFile(`${after}/environment.json`, "{ no");
    const out = command === "merge" ? ["--out", folder.at("merged")] : [];
    assertRefused(await task([command, before, after, ...out]), /environment\.json/);
  });
}

move("merge of the same shard twice", async (folder) => {
  const [before, after] = await twoRuns(folder);
  assertRefused(await task(["merge", before, after, "--out", folder.at("merged")]), /case|shard/);
});

move("resume of a run with other options", async (folder) => {
  const out = folder.at("results");
  assertCame(await small(out), 0);
  assertRefused(
    await task([...SMALL, "--densities", "1,.25", "--seed", "9", "--out", out, "--resume"]),
    /seed/,
  );
});
