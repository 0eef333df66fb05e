/**
 * The generalised Hilbert curve through a box of any size (J. Červený's "gilbert" construction): the box is cut into
 * two, three or five parts, each walked from one corner to a neighbouring one, until a part is a line.
 *
 * @module
 */
import type { Box } from "../config/config.ts";

/** One side of a part of the box, with the direction in which the walk goes along it. */
interface Side {
  /** From one token to the next along the side, as a difference of raster positions. */
  readonly step: number;
  /** Tokens along the side. */
  readonly length: number;
}

/**
 * The raster positions of a box in the order in which the curve visits them. Neighbours on the curve touch if all
 * sides are even; otherwise a few steps may be diagonal.
 *
 * @param box positive whole sizes
 * @returns width * height * depth raster positions, x + width * (y + height * t)
 */
export function gilbertCurve({ width, height, depth }: Box): Int32Array {
  const x = { step: 1, length: width }, y = { step: width, length: height };
  const t = { step: width * height, length: depth };
  const visited = new Int32Array(width * height * depth);
  let count = 0;
  const visit = (position: number) => void (visited[count++] = position);
  if (width >= height && width >= depth) walk(0, [x, y, t], visit);
  else if (height >= width && height >= depth) walk(0, [y, x, t], visit);
  else walk(0, [t, x, y], visit);
  return visited;
}

/** Walks a part from the corner `start` to the far end of its first side. */
function walk(start: number, sides: readonly [Side, Side, Side], visit: (position: number) => void): void {
  const long = sides.filter(({ length }) => length > 1);
  if (sides.some(({ length }) => length === 0)) return;
  if (long.length <= 1) {
    const { step, length } = long[0] ?? sides[0];
    for (let i = 0; i < length; i++) visit(start + i * step);
    return;
  }
  for (const part of split(start, sides)) walk(part.start, part.sides, visit);
}

/** A part of a box: the corner at which its walk starts, and its sides in order of the walk. */
interface Part {
  readonly start: number;
  readonly sides: [Side, Side, Side];
}

/** Cuts a part into those that are walked one after the other. */
function split(start: number, [a, b, c]: readonly [Side, Side, Side]): Part[] {
  const a1 = half(a), a2 = rest(a), b1 = half(b), b2 = rest(b), c1 = half(c), c2 = rest(c);
  const last = start + span(a) - a.step;
  if (2 * a.length > 3 * b.length && 2 * a.length > 3 * c.length) {
    return [{ start, sides: [a1, b, c] }, { start: start + span(a1), sides: [a2, b, c] }];
  }
  if (3 * b.length > 4 * c.length) {
    return [
      { start, sides: [b1, c, a1] },
      { start: start + span(b1), sides: [a, b2, c] },
      { start: last + span(b1) - b.step, sides: [back(b1), c, back(a2)] },
    ];
  }
  if (3 * c.length > 4 * b.length) {
    return [
      { start, sides: [c1, a1, b] },
      { start: start + span(c1), sides: [a, b, c2] },
      { start: last + span(c1) - c.step, sides: [back(c1), back(a2), b] },
    ];
  }
  const far = span(c) - c.step;
  return [
    { start, sides: [b1, c1, a1] },
    { start: start + span(b1), sides: [c, a1, b2] },
    { start: start + span(b1) - b.step + far, sides: [a, back(b1), back(c2)] },
    { start: last + span(b1) + far, sides: [back(c), back(a2), b2] },
    { start: last + span(b1) - b.step, sides: [back(b1), c1, back(a2)] },
  ];
}

/** The first half of a side. It is made even where it can be: a walk along an odd side cannot turn cleanly. */
function half({ step, length }: Side): Side {
  const middle = step > 0 ? Math.floor(length / 2) : Math.ceil(length / 2);
  return { step, length: middle % 2 === 1 && length > 2 ? middle + 1 : middle };
}

/** The rest that {@link half} leaves. */
function rest(side: Side): Side {
  return { step: side.step, length: side.length - half(side).length };
}

/** The same side walked the other way. */
function back({ step, length }: Side): Side {
  return { step: -step, length };
}

/** From the first token of a side to the one after its last. */
function span({ step, length }: Side): number {
  return step * length;
}
