/**
 * Edits of JSON: a document that is right becomes one that is nearly so.
 *
 * @module
 */
import fc from "fast-check";
import { editedText, type TextEdit, textEdits } from "./bytes.ts";

/** A JSON value. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** One edit: a place in the JSON, and the operation on it. */
export interface JsonEdit {
  /** The place, among all of the document, counted round and round. */
  readonly at: number;
  /** The change. */
  readonly what: "set" | "drop" | "copy" | "rename" | "wrap";
  /** Which of {@link JUNK} or {@link NAMES} is put there, counted round and round. */
  readonly put: number;
}

/** Words that {@link textOf} replaces by text that no JSON value gives. */
const RAW: Readonly<Record<string, string>> = {
  "@deep@": "[".repeat(20_000) + "]".repeat(20_000),
  "@nan@": "NaN",
  "@huge@": "1e999",
  "@long@": JSON.stringify("x".repeat(100_000)),
};

/** Values that are put where others are expected. */
const JUNK: readonly Json[] = [
  ...[null, true, false, 0, -1, 1, 0.5, 1e21, 2 ** 31, 2 ** 53, "", "x", " ", "0", "-1", "NaN", "1e9"],
  ...["../x", "/dev/zero", "/dev/null", ".", "..", "a\u0000b", "\u001b[31mred", "=1+1", "\ud800", "é\u202e"],
  ...[[], {}, [[]], [0], [-1], [1, 2, 3, 4], [1e9, 1e9], [1e308, 1e308], [2 ** 32, 2 ** 32], { length: 3 }],
  ...["@deep@", "@nan@", "@huge@", "@long@", "f16", "BF16", "f64", "I64", "u8", "BOOL", "F8_E4M3"],
];

/** Names that members are given. */
const NAMES: readonly string[] = [
  ...[
    "",
    "__proto__",
    "constructor",
    "toString",
    "__metadata__",
    "q",
    "out",
    "levels",
    "hasOwnProperty",
    "0",
  ],
];

/** Random edits, most often few. */
export const jsonEdits: fc.Arbitrary<JsonEdit[]> = fc.array(
  fc.record({
    at: fc.nat(999),
    what: fc.constantFrom("set", "set", "set", "drop", "copy", "rename", "wrap"),
    put: fc.nat(999),
  }),
  { maxLength: 4 },
);

/** A place in a document: what holds it, and its name or index there. */
type Place = { readonly holder: Json[] | { [name: string]: Json }; readonly key: string | number };

/** All places of a document, itself first. */
function placesOf(root: { [name: string]: Json }): Place[] {
  const places: Place[] = [{ holder: root, key: "root" }];
  for (let i = 0; i < places.length; i++) {
    const { holder, key } = places[i], value = (holder as Record<string | number, Json>)[key];
    if (Array.isArray(value)) value.forEach((_, index) => places.push({ holder: value, key: index }));
    else if (typeof value === "object" && value !== null) {
      for (const name of Object.keys(value)) places.push({ holder: value, key: name });
    }
  }
  return places;
}

/** A document with edits. */
export function editedJson(document: Json, edits: readonly JsonEdit[]): Json {
  const root: { [name: string]: Json } = { root: structuredClone(document) };
  for (const { at, what, put } of edits) {
    const places = placesOf(root), { holder, key } = places[at % places.length];
    const own = holder as Record<string | number, Json>, value = own[key];
    if (what === "set") own[key] = structuredClone(JUNK[put % JUNK.length]);
    else if (what === "wrap") own[key] = [value];
    else if (what === "copy" && Array.isArray(value) && value.length > 0) {
      value.push(structuredClone(value[0]));
    } else if (key !== "root" && !Array.isArray(holder)) {
      delete own[key];
      if (what === "drop") continue;
      const name = NAMES[put % NAMES.length];
      Object.defineProperty(own, name, { value, enumerable: true, configurable: true, writable: true });
    } else if (Array.isArray(holder)) holder.splice(Number(key), 1);
  }
  return root.root;
}

/** A document as text, with what only text can say. */
export function textOf(document: Json): string {
  const text = JSON.stringify(document) ?? "";
  return text.replace(/"(@\w+@)"/g, (word, name) => RAW[name] ?? word);
}

/** The changes of a file of JSON: first to the document, then to its text. */
export interface JsonCase {
  readonly json: readonly JsonEdit[];
  readonly text: readonly TextEdit[];
}

/** Random cases of a file of JSON. */
export const jsonCases: fc.Arbitrary<JsonCase> = fc.record({ json: jsonEdits, text: textEdits });

/** A file of JSON with edits. */
export function editedFile(document: Json, { json, text }: JsonCase): string {
  return editedText(textOf(editedJson(document, json)), text);
}
