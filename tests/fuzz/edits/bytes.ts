/**
 * Edits of bytes and of text.
 *
 * @module
 */
import fc from "fast-check";

/** One edit: at a place, some are cut and others put in. */
export interface BytesEdit {
  /** The place, in thousandths of the whole. */
  readonly at: number;
  /** How many are cut there. */
  readonly cut: number;
  /** The bytes that are put there. */
  readonly put: readonly number[];
}

/** One edit of text. */
export interface TextEdit extends Omit<BytesEdit, "put"> {
  readonly put: string;
}

const place = { at: fc.nat(1000), cut: fc.oneof(fc.nat(8), fc.nat(2000)) };

/** Random edits of bytes; as often as not there are none. */
export const bytesEdits: fc.Arbitrary<BytesEdit[]> = fc.oneof(
  fc.constant<BytesEdit[]>([]),
  fc.array(fc.record({ ...place, put: fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 16 }) }), {
    maxLength: 3,
  }),
);

/** Text that readers of text may stumble over. */
const STUMBLES = [
  ...["", " ", ",", '"', '""', "\n", "\r\n", "\r", "\t", "\u0000", "\ufeff", "\u2028", "=", "-", "'", ";"],
  ...[
    "1e999",
    "-0",
    "NaN",
    "Infinity",
    "0x10",
    "1_000",
    "９",
    "\u001b[31m",
    "\ud800",
    "[",
    "{",
    "x".repeat(400),
  ],
];

/** Random edits of text; as often as not there are none. */
export const textEdits: fc.Arbitrary<TextEdit[]> = fc.oneof(
  fc.constant<TextEdit[]>([]),
  fc.array(
    fc.record({ ...place, put: fc.oneof(fc.constantFrom(...STUMBLES), fc.string({ maxLength: 12 })) }),
    { maxLength: 3 },
  ),
);

/** Bytes with edits. */
export function editedBytes(bytes: Uint8Array, edits: readonly BytesEdit[]): Uint8Array<ArrayBuffer> {
  let all = [...bytes];
  for (const { at, cut, put } of edits) {
    const begin = Math.floor(at / 1000 * all.length);
    all = [...all.slice(0, begin), ...put, ...all.slice(begin + cut)];
  }
  return Uint8Array.from(all);
}

/** Text with edits. */
export function editedText(text: string, edits: readonly TextEdit[]): string {
  return edits.reduce((all, { at, cut, put }) => {
    const begin = Math.floor(at / 1000 * all.length);
    return all.slice(0, begin) + put + all.slice(begin + cut);
  }, text);
}
