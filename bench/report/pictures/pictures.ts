/**
 * The pictures of docs/, drawn from the reference and a trace, as SVG.
 *
 * @module
 */
import { DEFAULT_TRACES, loadTrace } from "../../../fixtures/traces.ts";
import { levelsForDensity } from "../../../reference/levels/budget.ts";
import { sampledImportance } from "../../../reference/importance/importance.ts";
import { blockMass } from "../../../reference/judge/mass.ts";
import { buildPyramid } from "../../../reference/pyramid/pyramid.ts";
import type { Qkv } from "../../../reference/tensor.ts";
import { judgedCaptures } from "../../conformance/departures.ts";
import { architecturePicture } from "./architecture.ts";
import { type ChartSpec, renderChart } from "../charts/chart.ts";
import { escapeHtml } from "../html.ts";
import { drawLevels, drawMass } from "../maps/level_maps.ts";
import { releasedErrors, tileMergePicture } from "./released.ts";
import { inColours } from "../charts/theme.ts";

const FOLDER = new URL("../../../docs/pictures/", import.meta.url);
const BLOCKS = { blockM: 128, blockN: 64 } as const;
const DENSITY = 0.15;

/** One channel of the keys of one key block of 16 tokens at levels 1, 2, 4 and 8: the means get coarser. */
function pyramidChart({ k, v }: Qkv): ChartSpec {
  const blockN = 16, first = 1024, channel = 0, levels = [1, 2, 4, 8];
  const pyramid = buildPyramid({ k, v }, { blockN, levels });
  const values = levels.flatMap((level) => {
    const { data, shape: [, , , dim] } = pyramid.get(level)!.k;
    return Array.from({ length: blockN / level }, (_, t) => ({
      level: `level ${level}`,
      from: t * level,
      to: (t + 1) * level,
      mean: data[(first / level + t) * dim + channel],
    }));
  });
  return {
    width: 520,
    height: 150,
    background: "white",
    data: { values },
    mark: { type: "rect", stroke: "white", strokeWidth: 2 },
    encoding: {
      x: {
        field: "from",
        type: "quantitative",
        title: "token of the key block",
        scale: { domain: [0, blockN] },
      },
      x2: { field: "to" },
      y: { field: "level", type: "nominal", title: null, sort: levels.map((level) => `level ${level}`) },
      color: {
        field: "mean",
        type: "quantitative",
        title: "mean of one channel",
        scale: { scheme: "purpleorange", domainMid: 0 },
      },
    },
  };
}

/** Levels of one head at a density, and beside them where the true mass lies. */
function levelMapPicture(qkv: Qkv): string {
  const importance = sampledImportance(qkv, { ...BLOCKS, seed: 1 });
  const levels = levelsForDensity(importance, DENSITY), mass = blockMass(qkv, BLOCKS);
  const about = { place: "", name: "" };
  const [chosen] = drawLevels({ ...about, method: "psa", density: DENSITY, levels, blockN: BLOCKS.blockN });
  return sideBySide([chosen, drawMass({ ...about, mass })].map(({ svg }) => inColours(svg)));
}

/** Drawings in one picture, from left to right on white. */
function sideBySide(drawings: readonly string[]): string {
  const gap = 24,
    sizes = drawings.map((svg) => {
      const [, width, height] = /width="(\d+)" height="(\d+)"/.exec(svg) ?? [];
      return { width: Number(width), height: Number(height) };
    });
  const width = sizes.reduce((sum, size) => sum + size.width + gap, gap);
  const height = Math.max(...sizes.map((size) => size.height)) + gap;
  const placed = drawings.map((svg, i) => {
    const x = sizes.slice(0, i).reduce((sum, size) => sum + size.width + gap, gap);
    return svg.replace("<svg ", `<svg x="${x}" y="${gap / 2}" `);
  });
  const box = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${box}>`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    ...placed,
    "</svg>",
    "",
  ].join("\n");
}

/** A page of a terminal as a picture: fixed-width text, light on dark. */
function terminalPicture(text: string): string {
  const lines = text.trimEnd().split("\n"), lineHeight = 17, charWidth = 7.85, margin = 16;
  const width = Math.ceil(Math.max(...lines.map((line) => line.length)) * charWidth) + 2 * margin;
  const height = lines.length * lineHeight + 2 * margin;
  const rows = lines.map((line, i) =>
    `<text x="${margin}" y="${margin + 13 + i * lineHeight}" xml:space="preserve">${escapeHtml(line)}</text>`
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    "<title>The table that the default sweep prints</title>",
    `<rect width="${width}" height="${height}" rx="8" fill="#14171a"/>`,
    `<g font-family="ui-monospace, Menlo, Consolas, monospace" font-size="13" fill="#e7eaed">`,
    ...rows,
    "</g></svg>",
    "",
  ].join("\n");
}

/**
 * Draws the pictures of docs/.
 *
 * @returns the files that were written, from the root of the project
 *
 * @example
 * ```ts
 * import { drawPictures } from "./pictures.ts";
 * console.log(typeof drawPictures); // function
 * ```
 */
export async function drawPictures(): Promise<string[]> {
  const { qkv } = await loadTrace(DEFAULT_TRACES[0]);
  const table = await Deno.readTextFile(new URL("../sweep-example.txt", FOLDER));
  const pictures = {
    pyramid: inColours(await renderChart(pyramidChart(qkv))),
    "level-map": levelMapPicture(qkv),
    "released-errors": inColours(await renderChart(releasedErrors(await judgedCaptures()))),
    "tile-merge": tileMergePicture(),
    sweep: terminalPicture(table),
    architecture: architecturePicture() + "\n",
  };
  await Deno.mkdir(FOLDER, { recursive: true });
  for (const [name, svg] of Object.entries(pictures)) {
    await Deno.writeTextFile(new URL(`${name}.svg`, FOLDER), svg);
  }
  return Object.keys(pictures).map((name) => `docs/pictures/${name}.svg`);
}
