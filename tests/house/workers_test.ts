/** Modules of workers await nothing at their top level: a message that arrives meanwhile is lost, and the task waits for ever. */
import { assert, assertEquals } from "../support/assert.ts";
import { runDeno } from "../support/package.ts";

const ROOT = new URL("../../", import.meta.url).href;
const ROOMS = ["reference", "kernels", "fixtures", "bench", "tests"];

/** The modules that workers start with. */
function* workersIn(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, ROOT))) {
    if (isDirectory) yield* workersIn(`${folder}/${name}`);
    else if (/(^|_)worker\.ts$/.test(name)) yield `${folder}/${name}`;
  }
}

/** Lines that await outside of functions, as the formatter leaves them: not indented. */
const awaiting = (text: string) =>
  text.split("\n").filter((line) => /^(?!\s|\/|\*|(export )?async |.*(=>|function)).*\bawait\b/.test(line));

Deno.test("workers: a line that awaits at the top level is found", () => {
  assertEquals(awaiting("const a = await b();\n  await c();\n// await\nconst d = async () => await e();"), [
    "const a = await b();",
  ]);
  assertEquals(awaiting("for await (const a of b) {\nawait c();\nexport const d = await e;").length, 3);
});

Deno.test("workers: no module that they import awaits at its top level", async () => {
  const workers = ROOMS.flatMap((room) => [...workersIn(room)]);
  assert(workers.length >= 5, `${workers.length} workers`);
  for (const worker of workers) {
    const { modules } = JSON.parse((await runDeno(["info", "--json", worker])).stdout);
    for (const { specifier } of modules as { specifier: string }[]) {
      if (!specifier.startsWith(ROOT) || specifier.includes("node_modules") || !specifier.endsWith(".ts")) {
        continue;
      }
      assertEquals(
        awaiting(await Deno.readTextFile(new URL(specifier))),
        [],
        `${worker} imports ${specifier}`,
      );
    }
  }
});
