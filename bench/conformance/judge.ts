/**
 * Judges the outputs of one case: everything that can be wrong with a file has a sentence of its own, so that nothing
 * passes in silence.
 *
 * @module
 */
import { type Bounds } from "../../fixtures/conformance/case_file.ts";
import type { Manifest, ManifestCase } from "../../fixtures/conformance/manifest.ts";
import { readTensorFile, type TensorFile } from "../../fixtures/conformance/tensor_file.ts";
import { compare } from "../../reference/metrics.ts";
import type { Tensor } from "../../reference/tensor.ts";
import { InputError, requireInput } from "../../reference/errors.ts";

/** What was found about one case. */
export interface Verdict {
  /** The canonical string. */
  readonly case: string;
  readonly file: string;
  /** Sentences about what is wrong; empty if the case passes. */
  readonly problems: string[];
  /** Sentences about what is unusual and accepted. */
  readonly notes: string[];
  /** The largest share of its bound that an error takes, by tensor. */
  readonly budget: Record<string, number>;
}

/** How strictly outputs are judged. */
export interface JudgeOptions {
  /** Whether sums of up to 64 terms in half precision are right; default false. */
  readonly halfSums?: boolean;
}

/** The truth of a case, and which tensors a kernel must write. */
export interface Judged {
  readonly contents: Pick<TensorFile, "tensors" | "metadata">;
  readonly listed: Pick<ManifestCase, "case" | "file" | "sha256">;
}

/** The tensors that a kernel must write: outputs, or all gradients; a log-sum-exp is welcome and not asked for. */
export function requiredOutputs(stage: string, outputs: readonly string[]): string[] {
  if (stage === "attention") return ["out"];
  return stage === "gradient" ? ["dq", "dk", "dv"] : [...outputs];
}

/** Judges outputs that are in memory. */
export function judgeOutputs(
  { contents: { tensors, metadata }, listed }: Judged,
  output: TensorFile,
  { halfSums = false }: JudgeOptions = {},
): Verdict {
  const verdict: Verdict = { case: listed.case, file: listed.file, problems: [], notes: [], budget: {} };
  const outputs: string[] = JSON.parse(metadata.outputs), bounds: Bounds = JSON.parse(metadata.tolerance);
  const stale = output.metadata.case_sha256 ?? output.metadata.sha256;
  if (stale !== undefined && stale !== listed.sha256[listed.file]) {
    verdict.problems.push("stale: the hash of the case in its metadata is that of another export");
  }
  if (output.metadata.case !== undefined && output.metadata.case !== listed.case) {
    verdict.problems.push(`stale: its metadata names the case ${output.metadata.case}`);
  }
  if (output.metadata.outside) {
    verdict.problems.push(`writes outside its buffers: ${output.metadata.outside}`);
  }
  for (const name of requiredOutputs(listed.case.split(" ")[0], outputs)) {
    if (!(name in output.tensors)) verdict.problems.push(`tensor \`${name}\` is missing`);
  }
  const known = { ...output.tensors };
  if ("levels" in known && !outputs.includes("levels") && "levels" in tensors) {
    judgeExact(verdict, "levels", { got: known.levels, want: tensors.levels, dtype: output.dtypes.levels });
  }
  for (const name of outputs) {
    const got = known[name], want = tensors[`expected_${name}`];
    if (got === undefined) continue;
    judgeTensor(verdict, name, { got, want, dtype: output.dtypes[name], metadata, bounds, halfSums });
  }
  return verdict;
}

/** What one tensor is judged by. */
interface TensorCheck {
  readonly got: Tensor;
  readonly want: Tensor;
  readonly dtype?: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly bounds: Bounds;
  readonly halfSums: boolean;
}

/** Judges one tensor: shape, type, non-finite values, zeros, distance. */
function judgeTensor(verdict: Verdict, name: string, check: TensorCheck): void {
  const { got, want, dtype, metadata, bounds, halfSums } = check;
  if (String(got.shape) !== String(want.shape)) {
    verdict.problems.push(`\`${name}\` has shape [${got.shape}]; it should be [${want.shape}]`);
    return;
  }
  if (want.data instanceof Int32Array) return judgeExact(verdict, name, check);
  const wanted = JSON.parse(metadata.parameters).dtype, stored = String(dtype ?? wanted).toLowerCase();
  if (got.data instanceof Int32Array) {
    verdict.problems.push(`\`${name}\` is ${stored}; it should be ${wanted} or another float`);
    return;
  }
  if (stored !== wanted && name !== "lse" && name !== "importance") {
    verdict.notes.push(converted(name, stored, wanted));
  }
  const { relL2, maxAbs, nonFinite } = compare(got, want), bound = bounds[name] ?? {};
  const limitL2 = halfSums ? bound.halfRelL2 ?? bound.relL2 : bound.relL2;
  const limitAbs = halfSums ? bound.halfMaxAbs ?? bound.maxAbs : bound.maxAbs;
  if (nonFinite > 0) verdict.problems.push(`\`${name}\` has ${nonFinite} NaN or infinite values`);
  else if (got.data.every((x) => x === 0) && want.data.some((x) => x !== 0)) {
    verdict.problems.push(`\`${name}\` is all zeros`);
  }
  const used = Math.max(share(relL2, limitL2), share(maxAbs, limitAbs));
  verdict.budget[name] = used;
  if (!(used <= 1)) {
    const errors = [["relative L2", relL2, limitL2], ["max absolute", maxAbs, limitAbs]] as const;
    const over = errors.filter(([, error, limit]) => share(error, limit) > 1)
      .map(([what, error, limit]) => `${what} ${short(error)}, allowed ${short(limit)}`);
    verdict.problems.push(`\`${name}\` is wrong: ${over.join("; ")}`);
  }
}

/** The share of a bound that an error takes. JSON has no infinity: a bound that is null or not there does not bind. */
function share(error: number, bound: number | null | undefined): number {
  return bound === null || bound === undefined || error === 0 ? 0 : error / bound;
}

/** A number in a message. */
export function short(x: number | null | undefined): string {
  return typeof x !== "number"
    ? "any"
    : x !== 0 && Math.abs(x) < 1e-2
    ? x.toExponential(1)
    : x.toPrecision(2);
}

/** That a tensor has another type than it should, and was judged all the same. */
function converted(name: string, stored: string, wanted: string): string {
  return `\`${name}\` is ${stored} where ${wanted} was expected; it was converted`;
}

/** Judges whole numbers: they are equal or wrong. */
function judgeExact(
  verdict: Verdict,
  name: string,
  { got, want, dtype = "i32" }: Pick<TensorCheck, "got" | "want" | "dtype">,
): void {
  if (String(got.shape) !== String(want.shape)) {
    verdict.problems.push(`\`${name}\` has shape [${got.shape}]; it should be [${want.shape}]`);
    return;
  }
  const { data } = want as Tensor<Int32Array>, stored = dtype.toLowerCase();
  if (stored !== "i32") verdict.notes.push(converted(name, stored, "i32"));
  const differing = data.filter((x, i) => x !== got.data[i]).length;
  if (differing > 0) {
    const at = data.findIndex((x, i) => x !== got.data[i]);
    verdict.problems.push(
      `\`${name}\` differs in ${differing} of ${want.data.length} entries, first at ${at}: ${
        got.data[at]
      } instead of ${want.data[at]}`,
    );
  }
  verdict.budget[name] = differing === 0 ? 0 : Infinity;
}

/** A case that was read with its outputs, undefined where they could not be. */
export interface ReadCase extends Judged {
  readonly output?: TensorFile;
  readonly verdict: Verdict;
}

/** Reads and judges every case of a folder. */
export async function judgeFolder(
  folder: string,
  outputs: string,
  { manifest, ...options }: JudgeOptions & { readonly manifest: Manifest },
): Promise<ReadCase[]> {
  const read: ReadCase[] = [];
  for (const listed of manifest.cases) {
    const contents = await readTensorFile(`${folder}/${listed.file}`), { case: name } = contents.metadata;
    requireInput(
      name === listed.case,
      () => `The manifest calls ${listed.file} "${listed.case}"; the file itself says "${name}".`,
    );
    const outcome = await readOutput(`${outputs}/${listed.file}`);
    if (typeof outcome === "string") {
      const verdict = { case: listed.case, file: listed.file, problems: [outcome], notes: [], budget: {} };
      read.push({ contents, listed, verdict });
    } else {
      read.push({
        contents,
        listed,
        output: outcome,
        verdict: judgeOutputs({ contents, listed }, outcome, options),
      });
    }
  }
  nameDuplicates(read);
  return read;
}

/** The tensors of an output file, or a sentence about why there are none. */
async function readOutput(path: string): Promise<TensorFile | string> {
  try {
    return await readTensorFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "the output file is missing";
    if (error instanceof InputError) return `the output file is damaged or half-written: ${error.message}`;
    if (error instanceof Deno.errors.IsADirectory) return "the output file is a folder";
    if (error instanceof Deno.errors.PermissionDenied) return "the output file may not be read";
    throw error;
  }
}

/** Says of wrong outputs that they are those of another case; whole numbers may be equal by chance. */
function nameDuplicates(read: readonly ReadCase[]): void {
  for (const one of read.filter(({ verdict }) => verdict.problems.length > 0)) {
    for (const [name, mine] of Object.entries(one.output?.tensors ?? {})) {
      const idle = mine.data instanceof Int32Array || mine.data.every((x: number) => x === 0);
      if (idle || one.verdict.budget[name] <= 1) continue;
      const other = read.find((other) => other !== one && equalsThatOf(other, name, mine));
      if (other) one.verdict.problems.push(`\`${name}\` equals that of another case: ${other.listed.case}`);
    }
  }
}

/** Whether a tensor is what was written for a case, or what is right for it. */
function equalsThatOf({ contents, output }: ReadCase, name: string, { data, shape }: Tensor): boolean {
  const written = output?.tensors[name], truth = contents.tensors[`expected_${name}`];
  const same = written && written.data.length === data.length &&
    written.data.every((x: number, i: number) => x === data[i]);
  return same || (truth && String(truth.shape) === String(shape) &&
    compare({ data, shape }, truth).relL2 < 1e-2);
}
