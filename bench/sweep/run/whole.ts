/**
 * Whole calls on the device: choosing, work lists and attention, for the methods whose choice kernels make.
 *
 * @module
 */
import { createPsa, type PreparedCall } from "../../../kernels/psa.ts";
import { errorsByHead, joinErrors } from "./errors.ts";
import { InputError } from "../../../reference/errors.ts";
import { attentionShape, type FloatData, type Tensor } from "../../../reference/tensor.ts";
import { pickRows } from "./all_rows.ts";
import type { Arranged, GpuCall } from "./arranged.ts";
import type { Judged } from "./judge.ts";
import { typedInputs } from "./kernel.ts";

/** A call that can be timed, and freed. */
export type WholeCall = Pick<PreparedCall, "time" | "free">;

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
    const { rule } = judged, { whole, tokens: { firstHead } } = arranged;
    if (whole !== undefined) {
      return await openTuned(judged, arranged, { whole, call, firstHead, dtype, bytes });
    }
    if (rule === undefined || rule.kind === "fixed") return null;
    const prepared = await call.psa.prepare({ rule });
    return checked(judged, arranged, prepared, (await prepared.forward()).out);
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

/** Opens the call of a tuned file: its orders are its own, so that it has a `Psa` of its own. */
async function openTuned(
  judged: Judged,
  arranged: Arranged,
  { whole: { raster, choices, arrange }, call, firstHead, dtype, bytes }: {
    readonly whole: Required<Arranged>["whole"];
    readonly call: GpuCall;
    readonly firstHead: number;
    readonly dtype: "f32" | "f16";
    readonly bytes: { taken: number };
  },
): Promise<WholeCall | null> {
  const shape = attentionShape(raster), count = shape.batch * shape.heads;
  const heads = choices.heads.slice(firstHead, firstHead + count).map(({ choice, asked }, i) => ({
    ...{ head: firstHead + i, choice, asked },
  }));
  const tuned = { ...choices, shape: { ...choices.shape, heads: heads.map(({ head }) => head) }, heads };
  const psa = await createPsa(call.gpu, { shape, dtype, tuned, firstHead });
  const free = () => psa[Symbol.dispose]();
  try {
    const { out } = await psa.forward(typedInputs(raster, dtype));
    bytes.taken += psa.extraBytes;
    return checked(judged, arranged, { time: (options) => psa.time(options), free }, arrange(out));
  } catch (error) {
    free();
    throw error;
  }
}
