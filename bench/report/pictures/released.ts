/**
 * The pictures of docs/released-kernel.md: how far the released kernels are from the definition, and what a tile of the
 * new one holds where pooled blocks are short.
 *
 * @module
 */
import type { JudgedCapture } from "../../conformance/departures.ts";
import { showNumber } from "../../text/number.ts";
import type { ChartSpec } from "../charts/chart.ts";
import { escapeHtml } from "../html.ts";
import { LIGHT_COLOURS } from "../charts/theme.ts";

/** The largest value of the axis, where outputs that are not finite are drawn. */
const END = 3;
const RIGHT = "#0072b2", WRONG = "#d55e00", INK = LIGHT_COLOURS["var(--ink)"];

/**
 * One line for each call that keeps the contract of its kernel: its error, and beside it the bound of a right kernel.
 *
 * @param captures the judged calls
 *
 * @example
 * ```ts
 * import { releasedErrors } from "./released.ts";
 * console.log("layer" in releasedErrors([])); // true
 * ```
 */
export function releasedErrors(captures: readonly JudgedCapture[]): ChartSpec {
  const values = captures.filter(({ aligned, name }) => aligned || name.startsWith("legacy")).map(
    ({ name, relL2, bound }) => {
      const finite = Number.isFinite(relL2);
      return {
        call: name.replace(" counts as assigned", ""),
        error: finite ? relL2 : END,
        bound,
        verdict: finite && relL2 <= bound ? "within the bound" : "wrong",
        label: finite ? showNumber(relL2, { digits: 2 }) : "NaN",
      };
    },
  );
  const y = { field: "call", type: "nominal" as const, title: null, sort: null, axis: { labelLimit: 300 } };
  const axis = { values: [1e-4, 1e-3, 1e-2, 0.1, 1], format: "~g", grid: true, labelFontSize: 12 };
  const scale = { type: "log" as const, domain: [1e-4, END] };
  const title = "relative L2 error of the output against the definition";
  const x = { field: "error", type: "quantitative" as const, title, scale, axis };
  return {
    width: 430,
    height: { step: 24 },
    background: "white",
    padding: 12,
    data: { values },
    layer: [
      {
        mark: { type: "tick", thickness: 2, size: 16, color: INK },
        encoding: { x: { ...x, field: "bound" }, y },
      },
      {
        mark: { type: "point", filled: true, size: 110, opacity: 1 },
        encoding: {
          x,
          y,
          color: {
            field: "verdict",
            type: "nominal",
            title: "the tick is the bound of a right kernel",
            scale: { domain: ["within the bound", "wrong"], range: [RIGHT, WRONG] },
            legend: { orient: "bottom", titleLimit: 400, titleFontWeight: "normal", symbolOpacity: 1 },
          },
          shape: {
            field: "verdict",
            type: "nominal",
            scale: { domain: ["within the bound", "wrong"], range: ["circle", "square"] },
          },
        },
      },
      {
        mark: { type: "text", align: "left", dx: 9, fontSize: 11, color: INK },
        encoding: { x, y, text: { field: "label" } },
      },
    ],
    config: { font: "system-ui, sans-serif", axisY: { labelFontSize: 12, labelLimit: 260 } },
  };
}

/** A strip of pooled rows: which key block each group of rows is read from, and whether it should be there. */
interface Strip {
  readonly label: string;
  readonly blocks: readonly { readonly name: string; readonly right: boolean }[];
}

/** The tile of an example: four key blocks at level 8, each of 8 pooled rows, and what the kernel reads instead. */
const STRIPS: readonly Strip[] = [
  {
    label: "what the list asks for",
    blocks: [5, 9, 12, 20].map((block) => ({ name: `block ${block}`, right: true })),
  },
  {
    label: "what the kernel reads",
    blocks: [5, 9, 2, 3].map((block, i) => ({ name: `block ${block}`, right: i < 2 })),
  },
];

/**
 * One tile of 32 rows where key blocks of 64 tokens are read at level 8: what should be in it, and what is.
 *
 * @returns SVG
 *
 * @example
 * ```ts
 * import { tileMergePicture } from "./released.ts";
 * console.log(tileMergePicture().startsWith("<svg")); // true
 * ```
 */
export function tileMergePicture(): string {
  const left = 180,
    cell = 120,
    top = 46,
    step = 62,
    width = left + 4 * cell + 24,
    height = top + 2 * step + 14;
  const text = (x: number, y: number, content: string, more = "") =>
    `<text x="${x}" y="${y}" fill="${INK}" ${more}>${escapeHtml(content)}</text>`;
  const strips = STRIPS.flatMap(({ label, blocks }, row) => {
    const y = top + row * step;
    return [
      text(left - 14, y + 25, label, 'text-anchor="end"'),
      ...blocks.flatMap(({ name, right }, i) => [
        `<rect x="${left + i * cell}" y="${y}" width="${cell - 4}" height="40" rx="3" fill="${
          right ? RIGHT : WRONG
        }"${right ? "" : ` stroke="${INK}" stroke-width="2" stroke-dasharray="5 3"`}/>`,
        `<text x="${left + i * cell + cell / 2 - 2}" y="${y + 25}" fill="white" text-anchor="middle" ` +
        `font-weight="600">${name}</text>`,
      ]),
    ];
  });
  const rows = [0, 8, 16, 24].map((first, i) =>
    text(
      left + i * cell + cell / 2 - 2,
      32,
      `rows ${first} to ${first + 7}`,
      'text-anchor="middle" font-size="12"',
    )
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`,
    ' font-family="system-ui, sans-serif" font-size="14">',
    `<rect width="${width}" height="${height}" fill="white"/>`,
    ...rows,
    ...strips,
    "</svg>",
    "",
  ].join("\n");
}
