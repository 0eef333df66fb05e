/**
 * What the project says of an honest kernel's outputs, through what it offers to everyone.
 *
 * @module
 */
import { attentionTolerance, compare, pyramidAttention, type Tolerance } from "../../../mod.ts";
import type { HardCall } from "./data.ts";
import type { Honest, Outputs } from "./kernels.ts";

/** A verdict on one kernel and one call. */
export interface Verdict {
  readonly kernel: string;
  readonly data: string;
  readonly verdict: "right" | "wrong" | "unjudged";
  /** The largest share of a bound that is used; NaN where nothing was judged. */
  readonly share: number;
  readonly reason: string;
}

/** The truth of a call, and bounds on it. */
export interface Truth {
  readonly out: ReturnType<typeof pyramidAttention>["out"];
  readonly lse: ReturnType<typeof pyramidAttention>["lse"];
  readonly bounds: Tolerance;
}

/** The truth of a call, and how far a kernel of this storage may be from it. */
export function truthOf(
  { qkv, levels, blockM, blockN, causal, scale }: HardCall,
  dtype: Honest["storage"],
): Truth {
  const options = { blockM, blockN, causal, scale };
  const { out, lse } = pyramidAttention(qkv, levels, options);
  return { out, lse, bounds: attentionTolerance(qkv, levels, { ...options, dtype }) };
}

/** The verdict on outputs. */
export function judgeOutputs(
  names: Pick<Verdict, "kernel" | "data">,
  given: Outputs,
  truth: Truth,
  kernel: Honest,
): Verdict {
  const foreign = kernel.storage === "f32" && (kernel.products ?? kernel.weights) !== undefined;
  if (foreign) {
    return { ...names, verdict: "unjudged", share: NaN, reason: "there is no bound for its arithmetic" };
  }
  const out = compare(given.out, truth.out), lse = compare(given.lse, truth.lse), { bounds } = truth;
  const shares = {
    "out, relative L2": out.relL2 / bounds.relL2,
    "out, largest": out.maxAbs / bounds.maxAbs,
    "lse, largest": lse.maxAbs / bounds.lse,
  };
  const [reason, share] = Object.entries(shares).toSorted(([, a], [, b]) => b - a)[0];
  const finite = out.nonFinite === 0 && Object.values(bounds).every(Number.isFinite);
  return { ...names, verdict: finite && share <= 1 ? "right" : "wrong", share, reason };
}
