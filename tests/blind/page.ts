/**
 * docs/blind.md and docs/blind-honest.md, as text.
 *
 * @module
 */
import type { Verdict } from "./honest/judging.ts";
import { table } from "./honest/honest.ts";

/** A set of mistakes as its file holds it. */
export interface SetOf {
  readonly title: string;
  readonly mistakes: readonly {
    readonly number: number;
    readonly statement: string;
    /** The words of the field that a right name holds. */
    readonly must_say: readonly string[];
  }[];
  readonly combinations: readonly number[];
  /** Sentences that stand before its table: what was measured before the search knew the set. */
  readonly note?: string;
}

/** The result for one mistake. */
export interface Measured {
  readonly number: number;
  /** How many cases were called wrong. */
  readonly wrong: number;
  /** The names that were said, with ` | ` where there are several. */
  readonly said: string;
  /** In how many wrong cases they hold. */
  readonly explained: string;
  readonly outcome: "named" | "partly" | "misnamed" | "unknown" | "missed" | "unjudged";
  readonly seconds: number;
}

/** The figures of the pages. */
export interface PageOptions {
  readonly sets: readonly SetOf[];
  readonly measured: readonly Measured[];
  readonly honest: readonly Verdict[];
  readonly suite: string;
  /** Why a mistake is not named, by number. */
  readonly why: Readonly<Record<string, string>>;
  /** Whether results of other sources are among these; default false. */
  readonly old?: boolean;
}

const OUTCOMES = ["named", "partly", "misnamed", "unknown", "missed", "unjudged"] as const;

/** How many mistakes have each outcome, in words. */
export function counts(measured: readonly Measured[]): string {
  return OUTCOMES.map((outcome) =>
    [measured.filter((one) => one.outcome === outcome).length, outcome] as const
  )
    .filter(([count]) => count > 0).map(([count, outcome]) => `${count} ${outcome}`).join(", ");
}

/** A set and what came of it. */
function section(
  { title, mistakes, combinations, note }: SetOf,
  { measured, why }: Pick<PageOptions, "measured" | "why">,
): string {
  const own = measured.filter(({ number }) => mistakes.some((one) => one.number === number));
  const rows = mistakes.map(({ number, statement }) => {
    const one = own.find((each) => each.number === number);
    const reason = one?.outcome === "named" ? "" : why[number] ?? "";
    const said = one?.said ? `${one.said.replaceAll(" | ", " _or_ ")} (${one.explained})` : reason;
    return `| ${number} | ${statement} | ${one?.wrong ?? ""} | ${said} | ${one?.outcome ?? "not run"} |`;
  });
  return `## ${title}: ${counts(own)}

${combinations.length} of the ${mistakes.length} are two mistakes at once.${note ? ` ${note}` : ""}

| | what is wrong | cases | what was said (of how many wrong cases) | outcome |
| --- | --- | --- | --- | --- |
${rows.join("\n")}`;
}

/** The page of mistakes. */
export function pageOf(
  { sets, measured, suite, why, old = false }: Omit<PageOptions, "honest">,
): string {
  const longest = Math.max(...measured.map(({ seconds }) => seconds));
  return `# Measured blind: mistakes and honest kernels that the kit was not built for

\`deno task blind --write\` makes this page. The kernels were written apart from the judge and the diagnosis: two in
C, one in WGSL, and from the fourth set on in numpy and C, from the tenth on also in WGSL, in
[tests/blind/mistakes](../tests/blind/mistakes), and [honest kernels](blind-honest.md) in C in
[tests/blind/honest](../tests/blind/honest). What a right diagnosis has to say was written down with each mistake, before
the search was there; whether it was said is judged by hand ([heard.json](../tests/blind/heard.json)).

- **named**: all of it was said; **partly**: a part of it, and nothing wrong beside it; **misnamed**: something else was
  said; **unknown**: nothing was named; **missed**: the kernel was called right.

The first measurement of the third set, before the space was widened, named 3 of its 16, and one of two mistakes in one
more. Who widened the space had written that set and read the other two: what is said below is no measurement of mistakes
that nobody knows. Where nothing is named, the table says why.

The cases are those of attention in the suite \`${suite}\`; the longest diagnosis took ${
    longest.toFixed(0)
  } s.${
    old
      ? " Not all sets were measured at the same commit: results of earlier ones were taken as they were."
      : ""
  }

${sets.map((set) => section(set, { measured, why })).join("\n\n")}
`;
}

/** The page of honest kernels. */
export function honestPageOf(honest: readonly Verdict[]): string {
  const count = (verdict: string) => honest.filter((one) => one.verdict === verdict).length;
  return `# Honest kernels on hard data: ${count("right")} right, ${count("wrong")} wrong, ${
    count("unjudged")
  } unjudged

\`deno task blind --write\` makes this page, with that of [mistakes](blind.md). The kernels are in C, in
[tests/blind/honest](../tests/blind/honest). None has a mistake; a cell is the largest share of a bound that is used. Those
that are called wrong are listed in [known_wrong.json](../tests/blind/honest/known_wrong.json), and a test keeps the list
true.

${table(honest)}
`;
}
