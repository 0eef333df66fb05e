/** What docs/methods.md says is what the code does. */
import { type BlockMethod, type Method, METHODS } from "../../../mod.ts";
import { assertEquals, assertMatch } from "../../support/assert.ts";
import { rowsOf, weighted } from "../../support/method_tools.ts";

const PAGE = new URL("../../../docs/methods.md", import.meta.url);
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
  const lines = (await Deno.readTextFile(PAGE)).split("\n").filter((line) => line.startsWith("| `"));
  const cells = lines.map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
  assertEquals(cells, METHODS.map(row));
});

Deno.test("docs: the example of a new method runs as it stands, in a file of its own", async () => {
  const example = /```ts ignore\n([^`]*)```/.exec(await Deno.readTextFile(PAGE))?.[1] ?? "";
  assertMatch(example, /export const productTopk/);
  const moved = example.replaceAll(/ from "(.*)"/g, (_, path) => ` from "${new URL(path, FOLDER)}"`);
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, moved);
    const { productTopk }: { productTopk: BlockMethod } = await import(`file://${file}`);
    const { levels } = productTopk.select(weighted([[0.1, 0.4, 0.3, 0.2]]), 0.5);
    assertEquals(rowsOf(levels), ["0 1 1 0"]);
    const check = new Deno.Command(Deno.execPath(), { args: ["check", "--quiet", file], stderr: "piped" });
    const { success, stderr } = await check.output();
    assertEquals(success, true, new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(file);
  }
});
