import config from "../../deno.json" with { type: "json" };
import { forbiddenSkips, skipsOf, summaryOf } from "../support/skips.ts";
import { assert, assertEquals } from "../support/assert.ts";

const SKIP = new URL("../support/skip.ts", import.meta.url).href;
const RUN = new URL("../run.ts", import.meta.url).href;

/** Runs tests of one file by tests/run.ts. */
async function runTests(code: string, env: Record<string, string>) {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(
      `${folder}/some_test.ts`,
      `import { leaveOut, testWith } from "${SKIP}";\n${code}`,
    );
    const { code: exit, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-config", RUN, "-A", "--no-config", "--no-check", "."],
      cwd: folder,
      env: { NO_COLOR: "1", ...env },
    }).output();
    return { exit, lines: new TextDecoder().decode(stdout).trim().split("\n") };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const SKIPPING = `
testWith({ here: false, lack: "no pandas here" }, { name: "one", fn: () => { throw new Error("ran"); } });
testWith({ here: true, lack: "no tea here" }, { name: "two", fn: () => {} });
Deno.test("three", () => leaveOut("a part", "no adapter here"));`;

Deno.test("skips: are told at the end of a run, and pass outside CI", async () => {
  const { exit, lines } = await runTests(SKIPPING, { CI: "false" });
  assertEquals(
    [exit, lines.at(-1)],
    [0, "2 skipped: no pandas here (1), no adapter here (1)."],
    lines.join("\n"),
  );
  assert(lines.some((line) => line.startsWith("ok | 2 passed | 0 failed | 1 ignored")), lines.join("\n"));
});

Deno.test("skips: fail in CI, those that are allowed aside", async () => {
  const { exit, lines } = await runTests(SKIPPING, { CI: "true" });
  assertEquals([exit, lines.at(-1)], [1, "This may not be skipped in CI: a part: no adapter here"]);
  const allowed = await runTests(SKIPPING.replace("no adapter here", "no R here"), { CI: "true" });
  assertEquals([allowed.exit, allowed.lines.at(-1)], [0, "2 skipped: no pandas here (1), no R here (1)."]);
});

Deno.test("skips: a test that fails makes the run fail, whatever was skipped", async () => {
  const { exit, lines } = await runTests(`Deno.test("no", () => { throw new Error("no"); });`, {});
  assertEquals([exit, lines.at(-1)], [1, "Nothing was skipped."]);
});

Deno.test("skips: a test that is ignored without a reason is found, and not allowed", () => {
  const skips = skipsOf(["some test ... ignored (0ms)", "other ... ok (1ms)", "it was ignored"]);
  assertEquals(skips, [{ name: "some test", lack: "no reason given" }]);
  assertEquals(forbiddenSkips(skips), skips);
  assertEquals(summaryOf(skips), "1 skipped: no reason given (1).");
});

Deno.test("skips: the task for tests counts them", () => {
  assert(config.tasks.test.command.includes("tests/run.ts"), config.tasks.test.command);
});
