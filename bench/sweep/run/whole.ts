/**
 * Whole calls on the device: choosing, work lists and attention, for the methods whose choice kernels make.
 *
 * @module
 */
import { createPsa, type PreparedCall } from "../../../kernels/psa.ts";
import { errorsByHead, joinErrors } from "./errors.ts";
import { InputError } from "../../../reference/errors.ts";
import type { Choice, ChosenHead, ImportanceName, TunedCall } from "../../../reference/config/tuned.ts";
import { BINARY_SHARES, DEFAULT_SHARES } from "../../../reference/levels/budget.ts";
import { PSA_1248_SHARES } from "../../../reference/methods/pyramid/psa_1248.ts";
import { attentionShape, type FloatData, type Tensor } from "../../../reference/tensor.ts";
import { pickRows } from "./all_rows.ts";
import type { Arranged, GpuCall } from "./arranged.ts";
import type { Judged } from "./judge.ts";
import { typedInputs } from "./kernel.ts";

/** A call that can be timed, and freed. */
export type WholeCall = Pick<PreparedCall, "time" | "free">;

/** A block method as a choice that kernels make; `null` importance: that of the case. */
type Recipe = Pick<Choice, "rest" | "shares"> & { readonly importance: ImportanceName | null };

const skipped = (shares: object, importance: ImportanceName | null = null): Recipe => ({
  ...{ rest: "skipped", importance },
  shares: shares as Recipe["shares"],
});

/** The methods of blocks whose choice kernels make. */
const RECIPES: Readonly<Record<string, Recipe>> = {
  psa: skipped(DEFAULT_SHARES),
  "psa-1248": skipped(PSA_1248_SHARES),
  "block-topk": skipped(BINARY_SHARES),
  "block-topk-mean": { ...skipped(BINARY_SHARES), rest: "mean" },
  "pooled-topk": skipped(BINARY_SHARES, "pooled"),
  "pooled-topk-mean": { ...skipped(BINARY_SHARES, "pooled"), rest: "mean" },
};

/** How much the error of a whole call may differ from that of the row, relatively and absolutely: near ties fall otherwise. */
const SLACK = 0.02, LEAST = 1e-4;
/** Bytes on the device that the whole calls of an arrangement may take before no more are made. */
const MOST_BYTES = 2 ** 32;

/**
 * Opens the whole call of a case.
 *
 * @param judged the case, whose error the call has to have
 * @param context the tokens, the call of the given choice, the element type, and bytes that whole calls take so far
 * @returns null if kernels do not make the choice, there is no room, or its output is not that of the row
 */
export async function openWhole(
  judged: Judged,
  { arranged, call, dtype, bytes }: {
    readonly arranged: Arranged;
    readonly call: GpuCall;
    readonly dtype: "f32" | "f16";
    readonly bytes: { taken: number };
  },
): Promise<WholeCall | null> {
  if (bytes.taken > MOST_BYTES || call.psa.extraBytes > MOST_BYTES) return null;
  try {
    const { rule } = judged;
    if (rule !== undefined) {
      const prepared = await call.psa.prepare({ rule });
      return await checked(judged, arranged, prepared, (await prepared.forward()).out);
    }
    const tuned = tunedOf(judged, arranged);
    if (tuned === null) return null;
    const { tokens, whole: own } = arranged, { firstHead } = tokens, qkv = own?.raster ?? tokens.qkv;
    const psa = await createPsa(call.gpu, { shape: attentionShape(qkv), dtype, tuned, firstHead });
    const typed = typedInputs(qkv, dtype);
    await psa.load(typed);
    const { out } = await psa.forward(typed), inOrder = own?.arrange(out) ?? out;
    bytes.taken += psa.extraBytes;
    const free = () => psa[Symbol.dispose]();
    return await checked(judged, arranged, { time: (options) => psa.time(options), free }, inOrder);
  } catch (error) {
    if (error instanceof InputError) return null; // beyond a limit of the device
    throw error;
  }
}

/** The call, if its output errs as the row does; else it is freed. */
function checked(
  { error: { relL2: want } }: Judged,
  { rows, truth }: Arranged,
  whole: WholeCall,
  out: Tensor<FloatData>,
): WholeCall | null {
  const own = joinErrors(errorsByHead(rows === null ? out : pickRows(out, rows), truth, rows)).error.relL2;
  if (Math.abs(own - want) <= SLACK * want + LEAST) return whole;
  whole.free();
  return null;
}

/** The choice of a case as kernels make it; null if they do not. */
function tunedOf(
  { given: { method, importance, density, layout: { blockM, blockN } } }: Judged,
  { tokens: { qkv, firstHead }, inputs: { causal, seed }, whole }: Arranged,
): TunedCall | null {
  const heads = qkv.q.shape[0] * qkv.q.shape[1];
  if (whole !== undefined) {
    const chosen = whole.choices.heads.slice(firstHead, firstHead + heads);
    return numbered(whole.choices, chosen.map(({ choice, asked }) => ({ choice, asked })), firstHead);
  }
  const recipe = RECIPES[method.name];
  if (recipe === undefined) return null;
  const { seqQ, seqK, headDim, valueDim } = attentionShape(qkv);
  const choice: Choice = {
    ...{ method: "ranked", order: "raster", ...recipe },
    importance: recipe.importance ?? importance as ImportanceName,
  };
  const shape = { seqQ, seqK, headDim, valueDim, heads: [], causal, grid: null, textLength: 0 };
  const alike = Array.from({ length: heads }, () => ({ choice, asked: density }));
  return numbered({ shape, blockM, blockN, seed, heads: [] }, alike, firstHead);
}

/** Choices of heads that are numbered from the first on. */
function numbered(call: TunedCall, heads: readonly Omit<ChosenHead, "head">[], first: number): TunedCall {
  const own = heads.map((each, i) => ({ head: first + i, ...each }));
  return { ...call, shape: { ...call.shape, heads: own.map(({ head }) => head) }, heads: own };
}
