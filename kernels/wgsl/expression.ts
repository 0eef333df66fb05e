/**
 * The expressions of templates: a small part of JavaScript, evaluated by walking through the text, so that a page whose
 * content policy forbids `eval` can build kernels.
 *
 * Numbers, texts in double quotes, `true` and `false`, names of parameters, `x[i]` of a text, parentheses, and by
 * descending precedence `**`; `! - +`; `* / %`; `+ -`; `<< >>`; `< <= > >=`; `== !=`; `&`; `^`; `|`; `&&`; `||`;
 * `condition ? yes : no`. `+` concatenates if one side is a text. Operands that `&&`, `||` and `?` do not choose are not evaluated,
 * so they may contain unknown names.
 *
 * @module
 */

/** The value of an expression. */
export type Value = number | boolean | string;

/** The values that expressions may name. */
export type Names = Readonly<Record<string, Value>>;

/** A piece of the text. */
interface Token {
  readonly kind: "number" | "text" | "name" | "operator" | "end";
  readonly text: string;
}

const TOKENS =
  /\s*(?:(\d+(?:\.\d+)?)|"([^"]*)"|([A-Za-z_]\w*)|(\*\*|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%<>!&^|?:()[\]]))/y;

/** How strongly an operator binds; those of one strength are taken from the left, `**` from the right. */
const STRENGTH: Readonly<Record<string, number>> = {
  ...{ "||": 1, "&&": 2, "|": 3, "^": 4, "&": 5, "==": 6, "!=": 6, "<": 7, "<=": 7, ">": 7, ">=": 7 },
  ...{ "<<": 8, ">>": 8, "+": 9, "-": 9, "*": 10, "/": 10, "%": 10, "**": 12 },
};
/** How strongly `!`, and `-` and `+` in front of a value, bind. */
const UNARY = 11;

/** The operators that need both sides. */
const OPERATORS: Readonly<Record<string, (a: Value, b: Value) => Value>> = {
  "|": (a, b) => numberOf(a) | numberOf(b),
  "^": (a, b) => numberOf(a) ^ numberOf(b),
  "&": (a, b) => numberOf(a) & numberOf(b),
  "==": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<": (a, b) => numberOf(a) < numberOf(b),
  "<=": (a, b) => numberOf(a) <= numberOf(b),
  ">": (a, b) => numberOf(a) > numberOf(b),
  ">=": (a, b) => numberOf(a) >= numberOf(b),
  "<<": (a, b) => numberOf(a) << numberOf(b),
  ">>": (a, b) => numberOf(a) >> numberOf(b),
  "+": (a, b) =>
    typeof a === "string" || typeof b === "string" ? String(a) + String(b) : numberOf(a) + numberOf(b),
  "-": (a, b) => numberOf(a) - numberOf(b),
  "*": (a, b) => numberOf(a) * numberOf(b),
  "/": (a, b) => numberOf(a) / numberOf(b),
  "%": (a, b) => numberOf(a) % numberOf(b),
  "**": (a, b) => numberOf(a) ** numberOf(b),
};

/**
 * The value of an expression.
 *
 * @param text the expression
 * @param names the values that it may name
 * @throws {Error} if the text is not an expression, has an unknown name, or gives no number where one is needed
 *
 * @example
 * ```ts
 * import { evaluate } from "./expression.ts";
 * console.log(evaluate('F16 ? "xyzw"[i & 3] : 2 ** -i', { F16: true, i: 6 })); // z
 * ```
 */
export function evaluate(text: string, names: Names = {}): Value {
  const reader = new Reader(tokensOf(text), names);
  const value = reader.choice(true);
  reader.expect("", "end");
  if (typeof value === "number" && Number.isNaN(value)) throw new Error("it is not a number");
  return value;
}

/** Takes the text apart. */
function tokensOf(text: string): Token[] {
  const tokens: Token[] = [], end = text.trimEnd().length;
  TOKENS.lastIndex = 0;
  while (TOKENS.lastIndex < end) {
    const at = TOKENS.lastIndex, found = TOKENS.exec(text);
    if (found === null) throw new Error(`"${text.slice(at).trim()}" is not understood`);
    const kind = (["number", "text", "name", "operator"] as const)[
      found.slice(1).findIndex((part) => part !== undefined)
    ];
    tokens.push({ kind, text: found.slice(1).find((part) => part !== undefined)! });
  }
  return [...tokens, { kind: "end", text: "" }];
}

/** Numbers and truth values as numbers. */
function numberOf(value: Value): number {
  if (typeof value === "string") throw new Error(`the text "${value}" is used as a number`);
  return Number(value);
}

/** Evaluates from the left to the right; with `wanted` false it only finds the end of what is not chosen. */
class Reader {
  readonly #tokens: readonly Token[];
  readonly #names: Names;
  #at = 0;

  constructor(tokens: readonly Token[], names: Names) {
    this.#tokens = tokens;
    this.#names = names;
  }

  /** Takes the token that has to come next. */
  expect(text: string, kind: Token["kind"] = "operator"): void {
    if (!this.#take(text, kind)) {
      const { text: found } = this.#tokens[this.#at];
      throw new Error(`"${found || "the end"}" stands where "${text || "the end"}" should be`);
    }
  }

  /** `condition ? yes : no`, or an expression without. */
  choice(wanted: boolean): Value {
    const condition = this.#binary(1, wanted);
    if (!this.#take("?")) return condition;
    const yes = this.choice(wanted && Boolean(condition));
    this.expect(":");
    const no = this.choice(wanted && !condition);
    return condition ? yes : no;
  }

  /** Operators that bind at least as strongly as `least`. */
  #binary(least: number, wanted: boolean): Value {
    let left = this.#unary(wanted);
    for (;;) {
      const { kind, text } = this.#tokens[this.#at], strength = kind === "operator" ? STRENGTH[text] ?? 0 : 0;
      if (strength < least || strength === 0) return left;
      this.#at++;
      if (text === "&&" || text === "||") {
        const decided = text === "&&" ? !left : Boolean(left);
        const right = this.#binary(strength + 1, wanted && !decided);
        if (!decided) left = right;
        continue;
      }
      const right = this.#binary(text === "**" ? strength : strength + 1, wanted);
      if (wanted) left = OPERATORS[text](left, right);
    }
  }

  #unary(wanted: boolean): Value {
    for (const operator of ["!", "-", "+"]) {
      if (!this.#take(operator)) continue;
      const value = this.#binary(UNARY, wanted);
      if (!wanted) return 0;
      return operator === "!" ? !value : operator === "-" ? -numberOf(value) : numberOf(value);
    }
    return this.#indexed(wanted);
  }

  #indexed(wanted: boolean): Value {
    let value = this.#value(wanted);
    while (this.#take("[")) {
      const index = this.choice(wanted);
      this.expect("]");
      if (!wanted) continue;
      const found = typeof value === "string" ? value[numberOf(index)] : undefined;
      if (found === undefined) throw new Error(`there is no element ${index} in "${value}"`);
      value = found;
    }
    return value;
  }

  #value(wanted: boolean): Value {
    const { kind, text } = this.#tokens[this.#at++];
    if (kind === "number") return Number(text);
    if (kind === "text") return text;
    if (kind === "name") return this.#named(text, wanted);
    if (kind === "operator" && text === "(") {
      const value = this.choice(wanted);
      this.expect(")");
      return value;
    }
    throw new Error(`"${text || "the end"}" stands where a value should be`);
  }

  #named(name: string, wanted: boolean): Value {
    if (name === "true" || name === "false") return name === "true";
    if (!wanted) return 0;
    if (!Object.hasOwn(this.#names, name)) throw new Error(`${name} is not defined`);
    return this.#names[name];
  }

  /** Takes the next token if it is this one. */
  #take(text: string, kind: Token["kind"] = "operator"): boolean {
    const next = this.#tokens[this.#at];
    if (next.kind !== kind || next.text !== text) return false;
    if (kind !== "end") this.#at++;
    return true;
  }
}
