// The types of the functions of @std/text that the tools use.
export function closestString(word: string, possible: readonly string[]): string;
