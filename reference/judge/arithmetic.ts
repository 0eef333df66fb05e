/**
 * The arithmetics that a kernel may compute in, from strict to loose for each element type: the ladder that a result
 * is judged against.
 *
 * @module
 */
import { requireInput } from "../errors.ts";

/** The number formats that a kernel may store its data in. */
export type KernelDType = "f32" | "f16" | "bf16";

/** A number format. */
export interface Format {
  /** The largest relative error of a rounding. */
  readonly unit: number;
  /** The smallest number of full precision. */
  readonly normal: number;
  /** A weight may be lost that is below this share of the largest. */
  readonly lost: number;
}

/**
 * Unit roundoff, smallest normal number, and what a weight may lose by underflow, of each format. A float16 kernel may
 * keep its weights 2^6 times smaller, so that 64 of them times any finite number add up to a finite number: it loses
 * those below 2^(6 - 25) of the largest.
 */
export const FORMATS: Readonly<Record<KernelDType, Format>> = {
  f32: { unit: 2 ** -24, normal: 2 ** -126, lost: 2 ** -126 },
  f16: { unit: 2 ** -11, normal: 2 ** -14, lost: 2 ** -19 },
  bf16: { unit: 2 ** -8, normal: 2 ** -126, lost: 2 ** -126 },
};

/** The arithmetic of a kernel. Operations that no member names are in single precision. */
export interface Arithmetic {
  /** Its name in a verdict and on the command line. */
  readonly name: string;
  /** One sentence about the roundings. */
  readonly description: string;
  /** Whether kernels usually compute so; if not, a verdict says that errors are as large as in this arithmetic. */
  readonly usual: boolean;
  /** The format of inputs, pooled tokens and results. */
  readonly storage: Format;
  /** The format that scaled queries are stored in before the first product. */
  readonly queries: Format;
  /** The format that weights are stored in before the second product, and gradients of scores before theirs. */
  readonly weights: Format;
  /** Unit of factors that lose digits in front of a product, 2^-10 for tf32 by cutting off; 0 if none do. */
  readonly factorUnit: number;
  /** Unit of scores that are stored before the softmax; 0 if they stay in single precision. */
  readonly scoreUnit: number;
  /**
   * Unit of the softmax: differences, exponentials, and sums of at most 64 weights, but not the factors of rescaling; 0
   * for single precision.
   */
  readonly softmaxUnit: number;
  /** The unit roundoff of the format in which products are added up. */
  readonly sumUnit: number;
  /** How many steps are added up in that format before the sum goes on in single precision. */
  readonly sumSteps: number;
  /** After how many products a sum in single precision may be cut off, as tensor cores do; Infinity: it is rounded. */
  readonly cutSteps: number;
}

/** Steps that are added up in half precision at most, and products that tensor cores add up at once at least. */
const HALF_STEPS = 64, CUT_STEPS = 8;

/** An arithmetic that differs from plain storage in a format by some members. */
function rung(
  dtype: KernelDType,
  name: string,
  description: string,
  changes: Partial<Arithmetic>,
): Arithmetic {
  return {
    ...{
      name,
      description,
      usual: true,
      storage: FORMATS[dtype],
      queries: FORMATS.f32,
      weights: FORMATS.f32,
    },
    ...{ factorUnit: 0, scoreUnit: 0, softmaxUnit: 0, sumUnit: FORMATS.f32.unit, sumSteps: Infinity },
    cutSteps: dtype === "f32" ? Infinity : CUT_STEPS,
    ...changes,
  };
}

/** The rungs of a half format, each with the roundings of those before it. */
function halfRungs(dtype: "f16" | "bf16"): Arithmetic[] {
  const format = FORMATS[dtype], unit = format.unit;
  const weights = { weights: format }, queries = { ...weights, queries: format };
  const scores = { ...queries, scoreUnit: unit, usual: false };
  return [
    rung(
      dtype,
      `${dtype} storage`,
      `Inputs, pooled tokens and results are ${dtype}; all between is f32.`,
      {},
    ),
    rung(dtype, `P in ${dtype}`, `Weights are rounded to ${dtype} before the second product, too.`, weights),
    rung(dtype, `queries in ${dtype}`, `Scaled queries are rounded to ${dtype}, too.`, queries),
    rung(dtype, `scores in ${dtype}`, `Scores are stored in ${dtype} before the softmax, too.`, scores),
    rung(
      dtype,
      `softmax in ${dtype}`,
      `Differences, exponentials and sums of 64 weights are ${dtype}, too.`,
      {
        ...scores,
        softmaxUnit: unit,
      },
    ),
  ];
}

const sums = { sumUnit: FORMATS.f16.unit, sumSteps: HALF_STEPS };
const [stored, weights, queries, scores, softmax] = halfRungs("f16");
const LADDERS: Readonly<Record<KernelDType, readonly Arithmetic[]>> = {
  f32: [
    rung("f32", "f32", "Everything is f32.", {}),
    rung("f32", "tf32 products", "Factors of products are cut to the 11 bits of tf32; all else is f32.", {
      ...{ factorUnit: 2 ** -10, cutSteps: CUT_STEPS, usual: false },
    }),
  ],
  f16: [stored, weights, queries, scores, softmax, {
    ...queries,
    ...sums,
    usual: false,
    name: "sums of 64 in f16",
    description: "Queries and weights are f16, and products are added up in f16 for at most 64 steps.",
  }, {
    ...softmax,
    ...sums,
    name: "softmax and sums of 64 in f16",
    description: "Queries, scores, softmax and sums of at most 64 products are f16.",
  }],
  bf16: halfRungs("bf16"),
};

/**
 * The arithmetics in which a kernel of an element type may compute, from strict to loose.
 *
 * @param dtype the element type of inputs and results
 * @throws {InputError} if there is no such element type
 *
 * @example
 * ```ts
 * import { ladderOf } from "./arithmetic.ts";
 * console.log(ladderOf("f32").map(({ name }) => name)); // [ "f32", "tf32 products" ]
 * ```
 */
export function ladderOf(dtype: KernelDType): readonly Arithmetic[] {
  requireInput(dtype in LADDERS, () => `\`dtype\` is "${dtype}"; it should be "f32", "f16" or "bf16".`);
  return LADDERS[dtype];
}

/**
 * An arithmetic of an element type by its name.
 *
 * @param dtype the element type
 * @param name its name in the ladder
 * @throws {InputError} if the ladder has no arithmetic of that name
 *
 * @example
 * ```ts
 * import { arithmeticNamed } from "./arithmetic.ts";
 * console.log(arithmeticNamed("f16", "P in f16").description);
 * // Weights are rounded to f16 before the second product, too.
 * ```
 */
export function arithmeticNamed(dtype: KernelDType, name: string): Arithmetic {
  const ladder = ladderOf(dtype), found = ladder.find((each) => each.name === name);
  requireInput(
    found !== undefined,
    () =>
      `\`arithmetic\` is "${name}"; for ${dtype} it should be one of ${
        ladder.map((one) => one.name).join(", ")
      }.`,
  );
  return found;
}

/**
 * The name of an arithmetic in a verdict: "as f16 storage", or "errors as large as with scores in f16" if kernels rarely
 * compute so. How large errors are does not say where they come from.
 *
 * @param name an arithmetic's name, of any ladder
 *
 * @example
 * ```ts
 * import { inWords } from "./arithmetic.ts";
 * console.log(inWords("scores in f16")); // errors as large as with scores in f16
 * ```
 */
export function inWords(name: string): string {
  const found = Object.values(LADDERS).flat().find((one) => one.name === name);
  return `${found?.usual ?? true ? "as" : "errors as large as with"} ${name}`;
}

/** The arithmetic that options name: by its name, or by the element type and the format of sums. */
export function arithmeticOf(
  { dtype, accumulate = "f32", arithmetic }: {
    readonly dtype: KernelDType;
    readonly accumulate?: "f32" | "f16";
    readonly arithmetic?: string;
  },
): Arithmetic {
  ladderOf(dtype);
  requireInput(
    accumulate === "f32" || accumulate === "f16",
    () => `\`accumulate\` is "${accumulate}"; it should be "f32" or "f16".`,
  );
  if (arithmetic !== undefined) return arithmeticNamed(dtype, arithmetic);
  if (accumulate === "f16") {
    return { ...arithmeticNamed("f16", "sums of 64 in f16"), storage: FORMATS[dtype] };
  }
  return arithmeticNamed(dtype, dtype === "f32" ? "f32" : `queries in ${dtype}`);
}
