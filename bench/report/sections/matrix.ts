/**
 * The matrix of methods and heads: which method has the least error on which head, and whether that depends on how evenly the
 * head spreads its softmax.
 *
 * @module
 */
import { listed, plural } from "../../text/number.ts";
import { notDenser } from "../rows/fair.ts";
import { byGranularity } from "../rows/granularity.ts";
import { escapeHtml, formatNumber } from "../html.ts";
import { axisGroups, densitiesOf, methodsOf, type ReportRow } from "../rows/rows.ts";

/** A head of an input. */
interface MatrixHead {
  readonly input: string;
  readonly head: string;
  /** How evenly its softmax lies over key blocks, from 0 to 1; NaN if it is not known. */
  readonly entropy: number;
  /** Its row of each method. */
  readonly rows: ReadonlyMap<string, ReportRow>;
}

/**
 * The matrices of a run whose rows are of single heads: one for each density, order and granularity; empty if there
 * are fewer than two heads.
 *
 * @param rows all rows of a run
 *
 * @example
 * ```ts
 * import { headMatrices } from "./matrix.ts";
 * console.log(headMatrices([]) === ""); // true
 * ```
 */
export function headMatrices(rows: readonly ReportRow[]): string {
  const sparse = rows.filter(({ head, method, rel_l2, density_requested }) =>
    head !== "" && method !== "dense" && rel_l2 !== null && density_requested < 1
  );
  const matrices = axisGroups(sparse).flatMap(({ name, rows: group }) =>
    densitiesOf(group).flatMap((density) =>
      byGranularity(group.filter((row) => row.density_requested === density)).map(({ of, rows: own }) =>
        matrix(own, [`density ${density}`, name, `granularity ${of}`].filter(Boolean).join(", "))
      )
    )
  ).filter((html) => html !== "");
  return matrices.map((html, i) => i === 0 ? html.replace("<details>", "<details open>") : html).join("\n");
}

/** The heads of rows, the sharpest first. */
function headsOf(rows: readonly ReportRow[]): MatrixHead[] {
  const groups = [...Map.groupBy(rows, ({ input, head }) => JSON.stringify([input, head])).values()];
  return groups.map((own) => ({
    input: own[0].input,
    head: own[0].head,
    entropy:
      own.find(({ mass_entropy: entropy }) => entropy !== null && entropy !== undefined)?.mass_entropy ?? NaN,
    rows: new Map(own.map((row) => [row.method, row])),
  })).sort((a, b) => a.entropy - b.entropy || 0);
}

/** The method with the least error on a head, without yardsticks and methods that read more than the others. */
function bestOf({ rows }: MatrixHead): string {
  const candidates = notDenser([...rows.values()], ({ density }) => density)
    .filter(({ method }) => !YARDSTICKS.includes(method));
  if (candidates.length === 0) return "";
  return candidates.reduce((best, row) => (row.rel_l2 ?? Infinity) < (best.rel_l2 ?? Infinity) ? row : best)
    .method;
}

/** Yardsticks: methods that rank by results of dense attention. */
const YARDSTICKS = ["mass-topk", "token-topk"];

function matrix(rows: readonly ReportRow[], title: string): string {
  const heads = headsOf(rows), methods = methodsOf(rows);
  if (heads.length < 2 || methods.length < 2) return "";
  const winners = heads.map(bestOf);
  const cells = (method: string) =>
    heads.map(({ rows: own }, i) => {
      const error = own.get(method)?.rel_l2 ?? null, text = error === null ? "" : formatNumber(error);
      return `<td>${method === winners[i] ? `<strong>${text}</strong>` : text}</td>`;
    }).join("");
  const line = (name: string, own: string) => `<tr><td>${escapeHtml(name)}</td>${own}</tr>`;
  const names = heads.map(({ input, head }) => `<th>${escapeHtml(`${input}, head ${head}`)}</th>`).join("");
  const entropies = heads.map(({ entropy }) => `<td>${Number.isNaN(entropy) ? "" : entropy.toFixed(2)}</td>`)
    .join("");
  return `<details><summary>${escapeHtml(title)}</summary><p>${escapeHtml(relation(heads, winners))}</p>` +
    `<div class="scroll"><table><thead><tr><th>method</th>${names}</tr></thead><tbody>${
      [line("entropy", entropies), ...methods.map((method) => line(method, cells(method)))].join("\n")
    }</tbody></table></div></details>`;
}

/** Which methods are best on sharp heads and on flat ones, in words. */
function relation(heads: readonly MatrixHead[], winners: readonly string[]): string {
  const count = (own: readonly string[]) => {
    const groups = [...Map.groupBy(own, (method) => method)].sort(([, a], [, b]) => b.length - a.length);
    return listed(groups.map(([method, won]) => `${method} on ${won.length}`));
  };
  const order =
    "Heads are sorted by ascending entropy. The least error of each head is in bold, without yardsticks and methods that read more than the others.";
  if (heads.some(({ entropy }) => Number.isNaN(entropy))) return `Best: ${count(winners)}.`;
  if (new Set(winners).size === 1) {
    return `Best on all ${plural(heads.length, "head")}: ${winners[0]}. ${order}`;
  }
  const half = Math.floor(heads.length / 2);
  return `Best on the ${plural(half, "sharper head")}: ${count(winners.slice(0, half))}; on the ${
    plural(heads.length - half, "flatter head")
  }: ${count(winners.slice(half))}. ${order}`;
}
