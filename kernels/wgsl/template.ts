/**
 * A small template language for WGSL: loops that are unrolled in the text, and alternatives that are chosen in it.
 * Compilers of shaders add a counter to every loop and a clamp to every index; text that is unrolled has neither.
 *
 * A template is WGSL with lines that begin with `//#`, and so are comments to every other tool:
 *
 *     //#for i in 0 .. 8          the lines up to the matching end, once for each whole number i from 0 to 7
 *     //#if F16                   the lines up to `//#else` or `//#end` if the expression is true
 *     //#else
 *     //#end
 *     //#block store              the lines up to the matching end get a name, and stand for nothing here
 *     //#use store                the lines of that name, with the parameters and loops' variables of this place
 *
 * and with `#{expression}` anywhere else, which stands for the expression's value. Expressions ({@link evaluate}) are a
 * small part of JavaScript over the parameters and the loops' variables.
 *
 * @module
 */
import { evaluate, type Value } from "./expression.ts";

/** Values that the expressions of a template may name. */
export type TemplateParameters = Readonly<Record<string, Value>>;

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
  | { readonly kind: "use"; readonly name: string; readonly line: number }
  | { readonly kind: "if"; readonly condition: string; readonly body: Node[]; readonly otherwise: Node[] };

/** The named blocks of a template. */
type Blocks = Map<string, readonly Node[]>;

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
  const blocks: Blocks = new Map();
  const { nodes, next } = parse(lines, 0, blocks);
  if (next < lines.length) {
    throw new Error(`Line ${next + 1} of the template ends what nothing began: ${lines[next]}`);
  }
  return expand(nodes, parameters, blocks).join("\n");
}

/** Parses up to the end of the block that begins at a line; `next` is the line of the directive that ends it. */
function parse(lines: readonly string[], start: number, blocks: Blocks): { nodes: Node[]; next: number } {
  const nodes: Node[] = [];
  let at = start;
  while (at < lines.length) {
    const directive = lines[at].match(/^\s*\/\/#(for|if|block|use|else|end)\b(.*)$/);
    if (!directive) nodes.push({ kind: "text", text: lines[at++] });
    else if (directive[1] === "else" || directive[1] === "end") break;
    else if (directive[1] === "use") nodes.push({ kind: "use", name: directive[2].trim(), line: ++at });
    else at = parseBody(lines, at, { nodes, blocks });
  }
  return { nodes, next: at };
}

/** Parses the loop, alternative or block that begins at a line; the line after its end. */
function parseBody(
  lines: readonly string[],
  start: number,
  { nodes, blocks }: { nodes: Node[]; blocks: Blocks },
): number {
  const loop = lines[start].match(/^\s*\/\/#for\s+(\w+)\s+in\s+(.+?)\s+\.\.\s+(.+)$/);
  const choice = lines[start].match(/^\s*\/\/#if\s+(.+)$/);
  const block = lines[start].match(/^\s*\/\/#block\s+(\w+)$/);
  if (!loop && !choice && !block) {
    throw new Error(`Line ${start + 1} of the template is not a directive: ${lines[start]}`);
  }
  const { nodes: body, next } = parse(lines, start + 1, blocks);
  const isElse = /^\s*\/\/#else\b/.test(lines[next] ?? "");
  const otherwise = choice && isElse ? parse(lines, next + 1, blocks) : { nodes: [], next };
  if (!/^\s*\/\/#end\b/.test(lines[otherwise.next] ?? "")) {
    throw new Error(`Line ${start + 1} of the template begins what nothing ends: ${lines[start]}`);
  }
  if (loop) nodes.push({ kind: "for", name: loop[1], from: loop[2], until: loop[3], body });
  else if (choice) nodes.push({ kind: "if", condition: choice[1], body, otherwise: otherwise.nodes });
  else if (block) blocks.set(block[1], body);
  return otherwise.next + 1;
}

/** The lines that nodes stand for. */
function expand(nodes: readonly Node[], parameters: TemplateParameters, blocks: Blocks): string[] {
  return nodes.flatMap((node) => {
    if (node.kind === "text") {
      return [
        node.text.replaceAll(/#\{([^}]+)\}/g, (_, expression) => String(valueOf(expression, parameters))),
      ];
    }
    if (node.kind === "if") {
      return expand(valueOf(node.condition, parameters) ? node.body : node.otherwise, parameters, blocks);
    }
    if (node.kind === "use") {
      const body = blocks.get(node.name);
      if (!body) {
        throw new Error(`Line ${node.line} of the template uses the block ${node.name}, which is not there.`);
      }
      return expand(body, parameters, blocks);
    }
    const from = Number(valueOf(node.from, parameters)), until = Number(valueOf(node.until, parameters));
    const rounds = Array.from({ length: Math.max(0, until - from) }, (_, i) => from + i);
    return rounds.flatMap((value) => expand(node.body, { ...parameters, [node.name]: value }, blocks));
  });
}

/** The value of an expression over the parameters. */
function valueOf(expression: string, parameters: TemplateParameters): Value {
  try {
    return evaluate(expression, parameters);
  } catch (error) {
    throw new Error(`The template's expression "${expression}" fails: ${(error as Error).message}.`);
  }
}
