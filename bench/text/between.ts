/**
 * Parts of a page that a task writes: the text between two marks.
 *
 * @module
 */

/** The marks before and behind a part. */
export type Marks = readonly [begin: string, end: string];

/**
 * A page with the text between two marks replaced.
 *
 * @param page the text of the page
 * @param text the new text
 * @param options the marks, and the path of the page, for the message
 * @throws {Error} if the page does not have both marks, in this order
 *
 * @example
 * ```ts
 * import { withBetween } from "./between.ts";
 * const options = { marks: ["<a>", "</a>"], path: "docs/a.md" } as const;
 * console.log(withBetween("<a>old</a>", "new", options).split("\n")); // ["<a>", "", "new", "", "</a>"]
 * ```
 */
export function withBetween(
  page: string,
  text: string,
  { marks: [first, last], path }: { readonly marks: Marks; readonly path: string },
): string {
  const begin = page.indexOf(first), end = page.indexOf(last);
  if (begin < 0 || end < begin) throw new Error(`${path} has no place for the table, ${first}.`);
  return `${page.slice(0, begin + first.length)}\n\n${text}\n\n${page.slice(end)}`;
}
