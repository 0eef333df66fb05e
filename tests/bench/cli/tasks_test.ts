/** Arguments that tasks of this project refuse before they work: one sentence each. */
import { runExport } from "../../support/kit.ts";
import { InputError } from "../../../reference/errors.ts";
import { assertEquals, assertMatch, assertRejects } from "../../support/assert.ts";
import { drawn } from "../../support/seed.ts";
import { fileURLToPath } from "node:url";
import { TemporaryFolder } from "../../support/command.ts";

const TASKS: readonly (readonly [file: string, args: readonly string[], sentence: RegExp])[] = [
  ["mutation/visibility.ts", ["--mistakes", ""], /^--mistakes is empty; it needs a value\.\n$/],
  ["reference/judge/sharpness.ts", ["--every", "one"], /^--every is "one"; it should be a whole number/],
];
for (const [file, args, sentence] of TASKS.filter((_, i) => drawn(i, TASKS.length))) { // a commit draws one
  Deno.test(`tasks: ${file} ${args.join(" ")} is refused at once`, async () => {
    const path = fileURLToPath(new URL(`../../${file}`, import.meta.url));
    const command = ["run", "--no-check", "--allow-read", "--allow-env", "--allow-sys", path, ...args];
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: command,
      env: { NO_COLOR: "1" },
    }).output();
    assertEquals(code, 2);
    assertMatch(new TextDecoder().decode(stderr), sentence);
  });
}

Deno.test("export: a case whose tensors no array holds is refused, and nothing is written", async () => {
  await using folder = new TemporaryFolder();
  const line = "attention B=1 H=1 Lq=99999999999 Lk=256 D=32 bm=64 bn=32";
  const exported = runExport(["--out", folder.at("cases"), "--case", line]);
  const { message } = await assertRejects(() => exported, InputError);
  assertMatch(
    message,
    /^A tensor of `--case` has 3199999999968 numbers; those of a case have at most 2147483648\.$/,
  );
  assertEquals([...Deno.readDirSync(folder.path)], []);
});
