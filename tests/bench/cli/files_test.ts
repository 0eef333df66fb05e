/** A file that cannot be written during an export: no fault of the project, and no manifest of an earlier export stays. */
import { assertEquals, assertMatch } from "../../support/assert.ts";
import { runPsa, TemporaryFolder } from "../../support/command.ts";

Deno.test("export: a file that the system refuses is one sentence and exit code 1, and the folder counts as unfinished", async () => {
  await using folder = new TemporaryFolder();
  const file = folder.at("attention_B-1_H-1_Lq-16_Lk-16_D-8_bm-16_bn-16_levels-1+2.safetensors");
  await Deno.mkdir(file); // a full disk, which needs more rights to make, goes the same way
  await Deno.writeTextFile(folder.at("manifest.json"), "of an earlier export");
  const line = "attention B=1 H=1 Lq=16 Lk=16 D=8 bm=16 bn=16 levels=1,2";
  const { code, stderr } = await runPsa("export", ["--out", folder.path, "--case", line]);
  assertEquals(code, 1, stderr);
  assertMatch(stderr, /^The system refuses a file: Is a directory .*attention_B-1.*\.$/m);
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => folder.at(name)), [file]);
});
