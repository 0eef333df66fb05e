/** All commands: one entry, help without a device, unknown options refused, exit codes that mean one thing. */
import { fileURLToPath } from "node:url";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../support/assert.ts";
import { callPsa, runPsa } from "../../support/command.ts";
import { drawn } from "../../support/seed.ts";

const COMMANDS = [
  "doctor",
  "sweep",
  "compare",
  "merge",
  "claim",
  "tune",
  "export",
  "verify",
  "bench",
  "wgsl",
];

/** Commands of a clone alone: the list does not have them where the package is installed. */
const OF_A_CLONE = ["peers"];
const TASKS: Readonly<Record<string, string>> = { bench: "bench:gpu", peers: "bench:peers" };

Deno.test("psa: --help lists the commands, an unknown one is refused with the nearest", async () => {
  const { code, stdout } = await runPsa("--help", []);
  assertEquals(code, 0);
  for (const name of COMMANDS) assertStringIncludes(stdout, `  ${name} `);
  const unknown = await runPsa("swep", []);
  assertEquals([unknown.code, unknown.stdout], [2, ""]);
  assertMatch(unknown.stderr, /"swep" is not a command; the nearest one is sweep\./);
});

for (const name of [...COMMANDS, ...OF_A_CLONE]) {
  Deno.test(`psa ${name}: --help fits a terminal, an unknown option is exit code 2 and one sentence`, async () => {
    const help = await callPsa(name, ["--help"]);
    assertEquals([help.code, help.stderr], [0, ""]);
    assert(help.stdout.split("\n").every((line) => line.length <= 80));
    assertStringIncludes(help.stdout, "Exit codes:");
    assertMatch(
      help.stdout,
      new RegExp(`^Examples?:\\n  deno task ${TASKS[name] ?? name}`, "m"),
    );
    const { code, stdout, stderr } = await callPsa(name, ["--no-such-option"]);
    assertEquals([code, stdout, stderr.trimEnd().split("\n").length], [2, "", 1]);
    assertMatch(stderr, /^--no-such-option is not an option; the nearest one is --[\w-]+\.$/m);
  });
}

/** Programs without an entry in psa; each is a process of a second: a commit draws one. */
const PROGRAMS = [
  ...[
    "tests/mutation/mutate",
    "tests/mutation/kill_matrix",
    "tests/mutation/gpu/kill_gpu",
    "tests/blind/blind",
  ],
  ...["bench/cli/pictures", "bench/cli/departures", "bench/cli/methods"],
];

for (const [i, file] of PROGRAMS.entries()) {
  if (!drawn(i, PROGRAMS.length)) continue;
  Deno.test(`${file}: an unknown option is exit code 2 and one sentence`, async () => {
    const path = fileURLToPath(new URL(`../../../${file}.ts`, import.meta.url));
    const args = ["run", "-A", "--no-check", path, "--wirte"];
    const { code, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    assertEquals(code, 2);
    assertMatch(
      new TextDecoder().decode(stderr),
      /^--wirte is not an option; the nearest one is --(write|help)\.\n$/,
    );
  });
}

Deno.test("a crash is exit code 3, never 1, wherever it happens", async () => {
  const command = new URL("../../../bench/cli/command.ts", import.meta.url);
  const exitOf = async (body: string) => {
    const code = `import { runCommand } from "${command}"; await runCommand(async () => { ${body} });`;
    const args = ["eval", "--no-check", code];
    const output = await new Deno.Command(Deno.execPath(), { args }).output();
    return [output.code, new TextDecoder().decode(output.stderr).split("\n")[0]];
  };
  const fault = "This is a fault of psa-harness, not of your input; please report it.";
  assertEquals(await exitOf("throw new TypeError('x')"), [3, fault]);
  const wait = "await new Promise((done) => setTimeout(done, 5000));";
  assertEquals(await exitOf(`Promise.reject(new Error('x')); ${wait}`), [3, fault]);
  assertEquals(await exitOf(`setTimeout(() => { throw new Error('x'); }); ${wait}`), [3, fault]);
  assertEquals(await exitOf("return 1"), [1, ""]);
});
