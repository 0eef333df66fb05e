import config from "../../deno.json" with { type: "json" };
import { assert, assertEquals } from "../support/assert.ts";
import { copyPackage, type Finished, packageFiles, runDeno } from "../support/package.ts";
import { serveFolder } from "../support/serve.ts";

/** Bytes of everything that a door or a command reaches, with some room. */
const LARGEST = 3.75e6;
/** Files that no module names: people and tools read them. */
const READ = ["deno.json", "README.md", "CHANGELOG.md", "LICENSE", "bench/sweep/sweep.schema.json"];

/** The programs of bench/cli: the entry to all commands, and the setup that looks for an adapter first. */
const COMMANDS = ["bench/cli/psa.ts", "bench/cli/setup.ts"];

/** Files that programs start by address: workers. */
const WORKERS = ["reference/parallel/worker.ts", "bench/sweep/inputs/workload_worker.ts"];

const files = await packageFiles();

/** The paths of all modules that a door or a command leads to. */
async function reached(entries: readonly string[]): Promise<Set<string>> {
  const root = new URL("../../", import.meta.url).href, found = new Set<string>();
  for (const entry of entries) {
    const { modules } = JSON.parse((await runDeno(["info", "--json", entry])).stdout);
    for (const { specifier } of modules as { specifier: string }[]) {
      if (specifier.startsWith(root)) found.add(specifier.slice(root.length));
    }
  }
  return found;
}

/** Runs a command of the package by its address. */
async function runCommand(address: string, args: readonly string[]): Promise<Finished> {
  const folder = await Deno.makeTempDir();
  try {
    const flags = ["-A", "--no-config", "--no-lock", "--no-check"];
    return await runDeno(["run", ...flags, address, ...args], folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("package: holds what users import and run and nothing else", async () => {
  const paths = files.map(({ path }) => path);
  for (const file of READ) assert(paths.includes(file), `${file} should be in the package.`);
  const others = paths.filter((path) =>
    !/^(reference|kernels|fixtures|bench)\/.*\.(ts|wgsl|js|css)$/.test(path)
  );
  assertEquals(others.filter((path) => path !== "mod.ts" && !READ.includes(path)), []);
  const modules = await reached([...Object.values(config.exports), ...COMMANDS, ...WORKERS]);
  assertEquals([...modules].filter((path) => !paths.includes(path)), [], "every module of a door is there");
  const idle = paths.filter((path) =>
    /^(bench|fixtures)\//.test(path) && !modules.has(path) && !READ.includes(path)
  );
  assertEquals(idle, [], "every file of bench/ and fixtures/ is reached by a door or a command");
});

Deno.test("package: is small", () => {
  const bytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
  assert(
    bytes > 1e5 && bytes < LARGEST,
    `The package has ${bytes} bytes; it should have less than ${LARGEST}.`,
  );
});

Deno.test("package: all doors open from a copy of it", async () => {
  await using copy = await copyPackage(files);
  const doors = Object.values(config.exports).map((path) => new URL(path, copy.url).href);
  const program = `for (const door of ${JSON.stringify(doors)}) {
    console.log(door, Object.keys(await import(door)).length > 0);
  }`;
  const { code, stdout, stderr } = await runDeno(["eval", program], copy.folder);
  assertEquals([code, stdout], [0, doors.map((door) => `${door} true\n`).join("")], stderr);
});

Deno.test("package: commands run by their address and fetch no data that they do not need", async () => {
  await using copy = await copyPackage(files);
  await using served = serveFolder(copy.url);
  const run = (name: string, ...args: string[]) =>
    runCommand(`${served.url}bench/cli/psa.ts`, [name, ...args]);
  const commands = ["sweep", "merge", "compare", "tune", "export", "verify"];
  const program = `const { main } = await import("${served.url}bench/cli/psa.ts");
    for (const name of ${JSON.stringify(commands)}) console.log(await main([name, "--help"]));`;
  const help = await runDeno(["eval", "--no-config", "--no-lock", "--no-check", program], copy.folder);
  const texts = help.stdout.split(/^0$/m).slice(0, -1);
  assertEquals([help.code, texts.length], [0, commands.length], help.stderr);
  commands.forEach((name, i) =>
    assert(texts[i].split("\n", 3).some((line) => line.includes(` ${name} `)), texts[i])
  );
  const claim = await run("claim");
  const sentence = 'not of the package; run "deno task claim" in a clone of it.\n';
  assertEquals([claim.code, claim.stdout, claim.stderr.endsWith(sentence)], [2, "", true], claim.stderr);
  const exported = await run("export", "--suite", "smoke", "--out", "cases");
  assertEquals([exported.code, /^\d+ cases, .* MB/m.test(exported.stdout)], [0, true], exported.stderr);
  const small = ["--no-gpu", "--workload", "video", "--seq", "256", "--dim", "16", "--densities", "1,.25"];
  const swept = await run("sweep", ...small);
  assertEquals([swept.code, swept.stdout.includes("video")], [0, true], swept.stderr);
  assertEquals(served.asked.filter((path) => path.startsWith("fixtures/data")), []);
});

Deno.test("package: a trace that it does not hold is named, with what to do", async () => {
  await using copy = await copyPackage(files);
  const traces = JSON.stringify(new URL("fixtures/traces.ts", copy.url).href);
  const program = `const { DEFAULT_TRACES, loadTrace } = await import(${traces});
    console.log((await loadTrace(DEFAULT_TRACES[0]).catch((error) => error)).message)`;
  const { stdout } = await runDeno(["eval", program], copy.folder);
  assert(stdout.includes("The trace trace-a-layer4 is not here"), stdout);
  assert(stdout.includes("give a file of your own or a workload"), stdout);
});
