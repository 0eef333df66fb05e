/**
 * The picture of docs/architecture.md: the rooms, who may import whom, and the way of the data through the stages.
 *
 * @module
 */
import { escapeHtml } from "../html.ts";
import { LIGHT_COLOURS } from "../charts/theme.ts";

/** The stages in the order of the data, and their outputs. */
const STAGES: readonly (readonly [name: string, makes: string])[] = [
  ["order", "tokens in the order of the blocks"],
  ["pyramid", "keys and values, pooled 2, 4, 8 times"],
  ["importance", "how much each key block matters"],
  ["levels", "how a query block reads each key block"],
  ["lists", "the pooled tokens that it reads"],
  ["attention", "outputs and log-sum-exps"],
];

/** The rooms from the bottom up, what each holds, and which stages it has. */
const ROOMS: readonly { readonly name: string; readonly holds: string; readonly hasStages: boolean }[] = [
  { name: "reference/", holds: "the truth in float64; naive/ reads like the paper", hasStages: true },
  { name: "kernels/", holds: "the same stages in WGSL", hasStages: true },
  { name: "fixtures/", holds: "cases, inputs, files, the conformance kit", hasStages: false },
  { name: "bench/", holds: "commands, sweep, report", hasStages: false },
  { name: "tests/", holds: "a mirror of all rooms", hasStages: false },
];

const WIDTH = 860, LEFT = 20, ROOM_HEIGHT = 58, GAP = 14, STAGE_TOP = 40;
const COLUMN = (WIDTH - 2 * LEFT) / STAGES.length;

/**
 * Draws the picture.
 *
 * @returns SVG
 *
 * @example
 * ```ts
 * import { architecturePicture } from "./architecture.ts";
 * console.log(architecturePicture().startsWith("<svg")); // true
 * ```
 */
export function architecturePicture(): string {
  const roomsTop = STAGE_TOP + 100, height = roomsTop + ROOMS.length * (ROOM_HEIGHT + GAP) + 8;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}"`,
    ' font-family="system-ui, sans-serif" font-size="13">',
    `<rect width="${WIDTH}" height="${height}" fill="white"/>`,
    text(LEFT, 22, "The way of the data: each stage has the same name in every room", { bold: true }),
    ...STAGES.map(stage),
    ...ROOMS.map((room, i) => drawRoom(room, roomsTop + (ROOMS.length - 1 - i) * (ROOM_HEIGHT + GAP), i)),
    "</svg>",
  ].join("\n");
}

/** One stage: its name, an arrow to the next, and its output. */
function stage([name, makes]: readonly [string, string], i: number): string {
  const x = LEFT + i * COLUMN;
  const arrow = i + 1 < STAGES.length
    ? `<path d="M${x + COLUMN - 12} ${STAGE_TOP + 14}h9m-4 -4l4 4l-4 4" stroke="#444" fill="none"/>`
    : "";
  return [
    `<rect x="${x}" y="${STAGE_TOP}" width="${COLUMN - 14}" height="28" rx="4" fill="${
      LIGHT_COLOURS["var(--level-1)"]
    }"/>`,
    text(x + (COLUMN - 14) / 2, STAGE_TOP + 19, name, {
      anchor: "middle",
      fill: "white",
      bold: true,
    }),
    arrow,
    ...wrapped(makes, 18).map((line, row) => text(x, STAGE_TOP + 44 + 15 * row, line, { fill: "#444" })),
  ].join("\n");
}

/** One room: a box, what it holds, and what it may import: everything below it but for tests, which nobody imports. */
function drawRoom({ name, holds, hasStages }: typeof ROOMS[number], y: number, i: number): string {
  const marks = hasStages
    ? STAGES.map(([stage], column) => text(LEFT + 350 + column * 78, y + 46, stage, { fill: "#5b2a64" }))
    : [];
  const below = i === 0
    ? "imports nothing outside"
    : `imports ${["reference/", "reference/", "all but tests/", "all"][i - 1]}`;
  return [
    `<rect x="${LEFT}" y="${y}" width="${
      WIDTH - 2 * LEFT
    }" height="${ROOM_HEIGHT}" rx="6" fill="#f6f4f7" stroke="#b9adc0"/>`,
    text(LEFT + 14, y + 24, name, { bold: true }),
    text(LEFT + 14, y + 44, holds, { fill: "#444" }),
    ...marks,
    text(WIDTH - LEFT - 14, y + 20, below, { anchor: "end", fill: "#777" }),
  ].join("\n");
}

/** A line of text. */
function text(
  x: number,
  y: number,
  content: string,
  { anchor = "start", fill = "#222", bold = false }: {
    readonly anchor?: string;
    readonly fill?: string;
    readonly bold?: boolean;
  } = {},
): string {
  const weight = bold ? ' font-weight="600"' : "";
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="${fill}"${weight}>${
    escapeHtml(content)
  }</text>`;
}

/** Text cut into lines of so many characters at most. */
function wrapped(content: string, most: number): string[] {
  return content.split(" ").reduce<string[]>((lines, word) => {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < most) {
      return [...lines.slice(0, -1), `${last} ${word}`];
    }
    return [...lines, word];
  }, []);
}
