/**
 * The project's verdict on an honest kernel's outputs, through its public functions.
 *
 * @module
 */
import { attentionBounds, pyramidAttention } from "../../../mod.ts";
import { judgeLadder, type PartialTolerance } from "../../../reference/mod.ts";
import type { HardCall, Storage } from "./data.ts";
import type { Honest, Outputs } from "./kernels.ts";

/** A verdict on one kernel and one call. */
export interface Verdict {
  readonly kernel: string;
  readonly data: string;
  readonly verdict: "right" | "wrong" | "unjudged";
  /** The largest share of a bound that is used. */
  readonly share: number;
  /** The strictest arithmetic that explains the outputs, or the one that the kernel has if none does. */
  readonly arithmetic: string;
}

/** The truth of a call, and bounds on it in each arithmetic. */
export interface Truth {
  readonly out: ReturnType<typeof pyramidAttention>["out"];
  readonly lse: ReturnType<typeof pyramidAttention>["lse"];
  readonly boundOf: (arithmetic: string) => Readonly<Record<"out" | "lse", PartialTolerance>>;
}

/** The truth of a call, and how far a kernel of this storage may be from it. */
export function truthOf({ qkv, levels, blockM, blockN, causal, scale }: HardCall, dtype: Storage): Truth {
  const options = { blockM, blockN, causal, scale };
  const bounds = new Map<string, Readonly<Record<"out" | "lse", PartialTolerance>>>();
  const boundOf = (arithmetic: string) => {
    const known = bounds.get(arithmetic);
    if (known !== undefined) return known;
    const { whole, ...parts } = attentionBounds(qkv, levels, { ...options, dtype, arithmetic });
    const bound = {
      out: { relL2: whole.relL2, maxAbs: whole.maxAbs, parts: parts.out },
      lse: { maxAbs: whole.lse, parts: parts.lse },
    };
    bounds.set(arithmetic, bound);
    return bound;
  };
  return { ...pyramidAttention(qkv, levels, options), boundOf };
}

/** The arithmetic that a kernel has: it has to be right in that one, not only in a looser one. */
export function arithmeticOf({ storage, products, weights, base2, scores }: Honest): string {
  if (storage === "f32") return products ?? weights ? "tf32 products" : "f32";
  if (scores) return `scores in ${storage}`;
  return base2 ? `queries in ${storage}` : weights ? `P in ${storage}` : `${storage} storage`;
}

/** The verdict on outputs. */
export function judgeOutputs(
  names: Pick<Verdict, "kernel" | "data">,
  given: Outputs,
  { out, lse, boundOf }: Truth,
  kernel: Honest,
): Verdict {
  const results = { out: { got: given.out, want: out }, lse: { got: given.lse, want: lse } };
  const require = arithmeticOf(kernel);
  const found = judgeLadder(results, { dtype: kernel.storage, boundOf, require });
  const { explained, unjudged, budgetUsed: share, arithmetic } = found;
  const verdict = explained ? "right" : unjudged.length === 2 ? "unjudged" : "wrong";
  return { ...names, verdict, share, arithmetic };
}
