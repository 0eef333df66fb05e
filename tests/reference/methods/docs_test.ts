/** docs/methods.md agrees with the code. */
import { type BlockMethod, choose, type Method, METHODS } from "../../../mod.ts";
import { assertEquals, assertMatch } from "../../support/assert.ts";
import { randomInputs, rowsOf, weighted } from "../../support/method_tools.ts";

const PAGE = new URL("../../../docs/methods.md", import.meta.url);
const NEW = new URL("../../../docs/new-method.md", import.meta.url);
const FOLDER = new URL("../../../reference/methods/mask/", import.meta.url);

/** A method as a row of the page's table. */
function row(method: Method): string[] {
  const { name, granularity, gridTile, usesGrid, basis, rule, source } = method;
  const sizes = { blockM: 64, blockN: 64, seqQ: 4096, seqK: 4096 };
  const cost = method.selectionCost({ sizes, importance: { kind: "full" } });
  const kind = gridTile || usesGrid ? `${granularity}, grid` : granularity;
  return [`\`${name}\``, kind, basis, rule, `${Number(cost.toPrecision(2))}`, source];
}

Deno.test("docs: the table of methods says what the registry holds, in its order", async () => {
  const [table] = (await Deno.readTextFile(PAGE)).split("## ");
  const lines = table.split("\n").filter((line) => line.startsWith("| `"));
  const cells = lines.map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
  assertEquals(cells, METHODS.map(row));
});

Deno.test("docs: every method has a paragraph, and each of its fields is told", async () => {
  const page = await Deno.readTextFile(PAGE), told = page.slice(page.indexOf("## The methods"));
  const missing = METHODS.filter(({ name }) =>
    !new RegExp(`^(\`[^\`]*\` and )?\`${name}\` |\\. \`${name}\` `, "m").test(told)
  );
  assertEquals(missing.map(({ name }) => name), []);
  const fields = new Set(METHODS.flatMap((method) => Object.keys(method))),
    fieldsPage = await Deno.readTextFile(NEW);
  for (const field of fields) assertMatch(fieldsPage, new RegExp(`^- .*\`${field}\``, "m"));
});

Deno.test("docs: the table of errors has a line of every method, with a mark where it is a stand-in", async () => {
  const page = await Deno.readTextFile(PAGE),
    [, table] = page.split("<!-- errors: deno task methods --write -->");
  const names = table.split("<!-- end of errors -->")[0].matchAll(/^\| `([^`]+)`(\*?) /gm);
  const isWeak = ({ basis }: Method) => basis === "stand-in" || basis === "summary";
  const want = METHODS.filter(({ name }) => name !== "dense").map((method) =>
    method.name + (isWeak(method) ? "*" : "")
  );
  assertEquals([...names].map(([, name, mark]) => name + mark).sort(), want.sort());
});

Deno.test("docs: the example of a new method runs as it stands, in a file of its own", async () => {
  const example = /```ts ignore\n([^`]*)```/.exec(await Deno.readTextFile(NEW))?.[1] ?? "";
  assertMatch(example, /export const valueTopk/);
  const moved = example.replaceAll(/ from "(.*)"/g, (_, path) => ` from "${new URL(path, FOLDER)}"`);
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, moved);
    const { valueTopk }: { valueTopk: BlockMethod } = await import(`file://${file}`);
    // Values are the logarithms of the weights: products are .095, .129, .105, .105.
    const { levels } = choose(valueTopk, weighted([[0.9, 0.04, 0.03, 0.03]]), 0.5);
    assertEquals(rowsOf(levels), ["0 1 1 0"]);
    const grouped = randomInputs({ heads: 4, kvHeads: 2, seqQ: 37, seqK: 43, causal: true });
    assertEquals(choose(valueTopk, grouped, 0.5).status, "ok");
    const check = new Deno.Command(Deno.execPath(), { args: ["check", "--quiet", file], stderr: "piped" });
    const { success, stderr } = await check.output();
    assertEquals(success, true, new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(file);
  }
});
