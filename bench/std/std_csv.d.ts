// The types of the functions of @std/csv that the tools use.
export function parse(text: string, options: { skipFirstRow: true }): Record<string, string>[];
export function stringify(
  rows: readonly Readonly<Record<string, unknown>>[],
  options: { columns: readonly string[]; headers?: boolean },
): string;
