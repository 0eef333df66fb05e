/**
 * A small template language for WGSL: loops that are unrolled in the text, and alternatives that are chosen in it.
 * Compilers of shaders add a counter to every loop and a clamp to every index; text that is unrolled has neither.
 *
 * A template is WGSL with three kinds of lines, which begin with `//#` and so are comments to every other tool:
 *
 *     //#for i in 0 .. 8          the lines up to the matching end, once for each whole number i from 0 to 7
 *     //#if F16                   the lines up to `//#else` or `//#end` if the expression is true
 *     //#else
 *     //#end
 *
 * and with `#{expression}` anywhere else, which stands for the expression's value. Expressions are JavaScript over the
 * parameters and the loops' variables.
 *
 * @module
 */

/** Values that the expressions of a template may name. */
export type TemplateParameters = Readonly<Record<string, number | boolean | string>>;

/** A template, taken apart: text, loops and alternatives. */
type Node =
  | { readonly kind: "text"; readonly text: string }
  | {
    readonly kind: "for";
    readonly name: string;
    readonly from: string;
    readonly until: string;
    readonly body: Node[];
  }
  | { readonly kind: "if"; readonly condition: string; readonly body: Node[]; readonly otherwise: Node[] };

/**
 * The WGSL that a template stands for.
 *
 * @param template the text
 * @param parameters the values that its expressions may name
 * @throws {Error} naming the line of a directive that has no end or no beginning, or an expression that fails
 *
 * @example
 * ```ts
 * import { expandTemplate } from "./template.ts";
 * const text = "//#for i in 0 .. N\nlet x#{i} = #{2 * i}.0;\n//#end";
 * console.log(expandTemplate(text, { N: 2 })); // let x0 = 0.0;\nlet x1 = 2.0;
 * ```
 */
export function expandTemplate(template: string, parameters: TemplateParameters = {}): string {
  const lines = template.split("\n");
  const { nodes, next } = parse(lines, 0);
  if (next < lines.length) {
    throw new Error(`Line ${next + 1} of the template ends what nothing began: ${lines[next]}`);
  }
  return expand(nodes, parameters).join("\n");
}

/** Parses up to the end of the block that begins at a line; `next` is the line of the directive that ends it. */
function parse(lines: readonly string[], start: number): { nodes: Node[]; next: number } {
  const nodes: Node[] = [];
  let at = start;
  while (at < lines.length) {
    const directive = lines[at].match(/^\s*\/\/#(for|if|else|end)\b(.*)$/);
    if (!directive) nodes.push({ kind: "text", text: lines[at++] });
    else if (directive[1] === "else" || directive[1] === "end") break;
    else at = parseBlock(lines, at, nodes);
  }
  return { nodes, next: at };
}

/** Parses the loop or alternative that begins at a line; the line after its end. */
function parseBlock(lines: readonly string[], start: number, nodes: Node[]): number {
  const loop = lines[start].match(/^\s*\/\/#for\s+(\w+)\s+in\s+(.+?)\s+\.\.\s+(.+)$/);
  const choice = lines[start].match(/^\s*\/\/#if\s+(.+)$/);
  if (!loop && !choice) throw new Error(`Line ${start + 1} of the template is no directive: ${lines[start]}`);
  const { nodes: body, next } = parse(lines, start + 1);
  const isElse = /^\s*\/\/#else\b/.test(lines[next] ?? "");
  const otherwise = choice && isElse ? parse(lines, next + 1) : { nodes: [], next };
  if (!/^\s*\/\/#end\b/.test(lines[otherwise.next] ?? "")) {
    throw new Error(`Line ${start + 1} of the template begins what nothing ends: ${lines[start]}`);
  }
  if (loop) nodes.push({ kind: "for", name: loop[1], from: loop[2], until: loop[3], body });
  else if (choice) nodes.push({ kind: "if", condition: choice[1], body, otherwise: otherwise.nodes });
  return otherwise.next + 1;
}

/** The lines that nodes stand for. */
function expand(nodes: readonly Node[], parameters: TemplateParameters): string[] {
  return nodes.flatMap((node) => {
    if (node.kind === "text") {
      return [
        node.text.replaceAll(/#\{([^}]+)\}/g, (_, expression) => String(evaluate(expression, parameters))),
      ];
    }
    if (node.kind === "if") {
      return expand(evaluate(node.condition, parameters) ? node.body : node.otherwise, parameters);
    }
    const from = Number(evaluate(node.from, parameters)), until = Number(evaluate(node.until, parameters));
    const rounds = Array.from({ length: Math.max(0, until - from) }, (_, i) => from + i);
    return rounds.flatMap((value) => expand(node.body, { ...parameters, [node.name]: value }));
  });
}

/** The value of an expression over the parameters. */
function evaluate(expression: string, parameters: TemplateParameters): unknown {
  try {
    const value = new Function(...Object.keys(parameters), `"use strict"; return (${expression});`)(
      ...Object.values(parameters),
    );
    if (value === undefined || Number.isNaN(value)) throw new Error(`it is ${value}`);
    return value;
  } catch (error) {
    throw new Error(`The template's expression "${expression}" fails: ${(error as Error).message}`);
  }
}
