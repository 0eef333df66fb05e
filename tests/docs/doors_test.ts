/** The steps of README and docs/conformance.md work as they are written. */
import { runExport, runVerify } from "../support/kit.ts";
import { type CommandHelp, readCommandLine } from "../../bench/options/command_line.ts";
import { matchesFilter } from "../../fixtures/cases.ts";
import { suiteCases } from "../../fixtures/conformance/suites.ts";
import type { VerifyResult } from "../../bench/conformance/verify.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { runPsa, TemporaryFolder } from "../support/command.ts";
import { leaveOut } from "../support/skip.ts";
import { TASK_NAMES } from "../support/tasks.ts";

const ROOT = new URL("../../", import.meta.url);
const read = (page: string) => Deno.readTextFile(new URL(page, ROOT));

/** The blocks of code of a page in a language. */
const blocks = (page: string, language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map(([, code]) => code);

/** The words of a command line, as a shell cuts it. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|[^\s"']+/g)].map(([word, double, single]) =>
    double ?? single ?? word
  );
}

/** Every `deno task NAME …` that a page shows as a line of its own, with its words. */
function commandsOf(page: string): (readonly [name: string, args: string[]])[] {
  return [...page.matchAll(/^(?: {4}|\$ )?(?:npx -y )?deno(?:@[\d.]+)? task ([\w:-]+)(.*)$/gm)].map(
    ([, name, rest]) => {
      const args = wordsOf(rest.replace(/( {2,}|\s#).*$/, ""));
      return [name, args] as const;
    },
  );
}

/**
 * Does what a page says of a kernel in Python: export, run, verify, in a folder of its own.
 *
 * @param page the page
 * @param code the kernel
 * @param more words beside the page's filter, for fewer cases
 */
async function walk(page: string, code: string, more = ""): Promise<VerifyResult> {
  const commands = commandsOf(page), begin = commands.findIndex(([name]) => name === "export");
  const [[, exported], [verified, judged]] = [commands[begin], commands[begin + 1]];
  assertEquals(verified, "verify");
  await using folder = new TemporaryFolder();
  const here = (args: string[]) => args.map((arg) => /^(cases|outputs)$/.test(arg) ? folder.at(arg) : arg);
  await runExport([...here(exported).slice(0, -1), `${exported.at(-1)}${more}`]);
  await Deno.writeTextFile(folder.at("my_kernel.py"), code);
  const [called] = /python3 my_kernel\.py .*/.exec(page) ?? [];
  const args = ["-B", folder.at("my_kernel.py"), ...here(wordsOf(called!).slice(2))];
  const { code: exit, stderr } = await new Deno.Command("python3", { args, cwd: ROOT, stderr: "piped" })
    .output();
  assertEquals(exit, 0, new TextDecoder().decode(stderr));
  return await runVerify(here(judged));
}

/** Whether Python has numpy here; where it does not, that is said. */
async function hasNumpy(): Promise<boolean> {
  const python = new Deno.Command("python3", {
    args: ["-c", "import numpy"],
    stdout: "null",
    stderr: "null",
  });
  const there = await python.output().then(({ success }) => success, () => false);
  if (!there) leaveOut("docs", "no python3 with numpy here");
  return there;
}

Deno.test("readme: the door to one's own kernel works, on all cases of attention", async () => {
  const readme = await read("README.md"), [code] = blocks(readme, "python");
  if (!await hasNumpy()) return;
  const { code: right, text } = await walk(readme, code);
  assertEquals(right, 0, text);
  assertMatch(text, /attention +(\d+) of \1 right/);
});

Deno.test("conformance: the kernel of the first page is right, and without the log term it is wrong by that name", async () => {
  const page = await read("docs/conformance.md"), [code, ...others] = blocks(page, "python");
  if (!await hasNumpy()) return;
  const right = await walk(page, code, " H=1");
  assertEquals(right.code, 0, right.text);
  const [, filter] = /--filter "(attention [^"]+)"/.exec(page)!;
  const count = suiteCases("smoke").filter((one) => matchesFilter(one, filter)).length;
  assertStringIncludes(page, `\`attention   ${count} of ${count} right\``);
  others.push(...blocks(await read("docs/captures.md"), "python"));
  const check = "import sys, ast; [ast.parse(code) for code in sys.argv[1:]]";
  const { success } = await new Deno.Command("python3", { args: ["-c", check, ...others] }).output();
  assert(success && others.length === 2, "the other examples in Python can be read");
  const broken = code.replace(/ \+ np\.log\(\[.*\]\)$/m, "");
  assert(broken.length < code.length);
  const { code: exit, text } = await walk(page, broken, " seed=4");
  assertEquals(exit, 1);
  assertStringIncludes(text, /verify\s+names\s+the\s+mistake,\s+`('[\w ]+')`/.exec(page)![1]);
});

Deno.test("readme: a program finds the library by the name and the map that are shown", async () => {
  const readme = await read("README.md"), [code] = blocks(readme, "ts"), [map] = blocks(readme, "json");
  await using folder = new TemporaryFolder();
  const there = map.replace("../psa-harness/", ROOT.href);
  assert(there !== map);
  await Deno.writeTextFile(folder.at("deno.json"), there);
  await Deno.writeTextFile(folder.at("main.ts"), code);
  const args = ["run", "--no-check", "--no-lock", "main.ts"];
  const { code: exit, stdout } = await new Deno.Command(Deno.execPath(), { args, cwd: folder.path }).output();
  assertEquals([exit, new TextDecoder().decode(stdout).trim()], [0, /\/\/ (.*)$/m.exec(code)![1]]);
});

Deno.test("readme: the door to methods works", async () => {
  const sweep = commandsOf(await read("README.md")).find(([, args]) => args.includes("--methods"))!;
  const small = ["--seq", "256", "--dim", "16", "--block-m", "32", "--block-n", "16"];
  await using folder = new TemporaryFolder();
  const { code, stdout } = await runPsa("sweep", [...sweep[1], ...small, "--out", folder.path]);
  assertEquals(code, 0);
  for (
    const text of ["Cost: psa has a relative error of", "Least error at", "Report with charts:", "Try next:"]
  ) {
    assertStringIncludes(stdout, text);
  }
});

Deno.test("docs: every command that a page shows is there, and takes the options that it shows", async () => {
  const pages = ["README.md", "CONTRIBUTING.md", "bench/README.md"];
  for await (const { name } of Deno.readDir(new URL("docs/", ROOT))) {
    if (/\.md$/.test(name)) pages.push(`docs/${name}`);
  }
  let count = 0;
  for (const page of pages) {
    for (const [name, args] of commandsOf(await read(page))) {
      assert(TASK_NAMES.includes(name), `${page}: there is no task ${name}`);
      const file = new URL(`bench/cli/${name.replace("bench:gpu", "bench")}.ts`, ROOT);
      if (name === "bench" || !await Deno.stat(file).then(() => true, () => false)) continue;
      const { command } = await import(file.href) as { readonly command?: { readonly help: CommandHelp } };
      if (command === undefined) continue;
      readCommandLine([...args.filter((arg) => arg !== "…"), "--help"], command.help);
      count++;
    }
  }
  assert(count > 20, `${count} commands were found`);
});
