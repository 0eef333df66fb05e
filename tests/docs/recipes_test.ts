import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { testWith } from "../support/skip.ts";
import { smallSweep, TemporaryFolder } from "../support/command.ts";

/** The block of docs/recipes.md in a language. */
async function recipe(language: string): Promise<string> {
  const text = await Deno.readTextFile(new URL("../../docs/recipes.md", import.meta.url));
  const [, block] = new RegExp("```" + language + "\n([\\s\\S]*?)```").exec(text) ?? [];
  assert(block !== undefined);
  return block;
}

/** The output of a program; null if it is not there or fails. */
function output(program: string, args: readonly string[], cwd?: string): string | null {
  try {
    const { success, stdout, stderr } = new Deno.Command(program, { args: [...args], cwd }).outputSync();
    if (!success && cwd !== undefined) throw new Error(new TextDecoder().decode(stderr));
    return success ? new TextDecoder().decode(stdout) : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

const hasPandas = output("python3", ["-c", "import pandas"]) !== null;
const hasDuckDb = output("python3", ["-c", "import duckdb"]) !== null;
const hasR = output("Rscript", ["--version"]) !== null;

/** Runs a recipe beside the results of a small sweep. */
async function runRecipe(program: string, args: readonly string[]): Promise<string> {
  await using folder = new TemporaryFolder();
  assertEquals((await smallSweep(folder.at("results"))).code, 0);
  return output(program, args, folder.path) ?? "";
}

testWith({ here: hasPandas, lack: "no pandas here" }, {
  name: "recipes: pandas reads the rows as the docs say",
  async fn() {
    const table = await runRecipe("python3", ["-c", await recipe("python")]);
    assertStringIncludes(table, "block-topk");
    assertStringIncludes(table, "0.25");
  },
});

testWith({ here: hasDuckDb, lack: "no DuckDB here" }, {
  name: "recipes: DuckDB reads the rows as the docs say",
  async fn() {
    const code = `import duckdb; print(duckdb.sql("""${await recipe("sql")}"""))`;
    assertStringIncludes(await runRecipe("python3", ["-c", code]), "block-topk");
  },
});

testWith({ here: hasR, lack: "no R here" }, {
  name: "recipes: R reads the rows as the docs say",
  async fn() {
    assertStringIncludes(await runRecipe("Rscript", ["-e", await recipe("r")]), "block-topk");
  },
});
