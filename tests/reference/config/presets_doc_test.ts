import { type Preset, presets } from "../../../mod.ts";
import { assertEquals } from "../../support/assert.ts";

/** A preset as a row of the table in docs/presets.md. */
function row(model: string, { config, warmupSteps }: Preset): string[] {
  const { blockM, blockN, tile, importance, assignment, similarityThresholds, textLength, order } = config;
  const ratios = assignment.mode === "density" ? [] : assignment.ratios;
  const ends = ratios.slice(0, -1).map(([, , end]) => end).join(" ");
  const caps = Object.values(similarityThresholds ?? {}).join(" ") || "none";
  const stride = importance.kind === "antidiagonal" ? `, stride ${importance.stride}` : "";
  const box = order?.kind === "gilbert"
    ? `, ${order.box.width} x ${order.box.height} x ${order.box.depth}`
    : "";
  const blocks = `${blockM} ${blockN} ${tile}`, scores = importance.kind + stride;
  return [
    model,
    blocks,
    scores,
    assignment.mode,
    ends,
    caps,
    `${textLength}`,
    `${order?.kind}${box}`,
    `${warmupSteps}`,
  ];
}

Deno.test("docs: the table of presets says what the presets are", async () => {
  const text = await Deno.readTextFile("docs/presets.md");
  const cells = text.split("\n").filter((line) => line.startsWith("| ")).map((line) =>
    line.split("|").slice(1, -1).map((cell) => cell.trim())
  );
  for (const [model, preset] of Object.entries(presets)) {
    assertEquals(cells.find(([name]) => name === model), row(model, preset));
  }
});
