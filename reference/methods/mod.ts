/**
 * The list of all methods that the sweep can compare.
 *
 * @module
 */
import { InputError } from "../errors.ts";
import { dense } from "./control/dense.ts";
import { massTopk } from "./control/mass_topk.ts";
import { random } from "./control/random.ts";
import { tokenTopk } from "./control/token_topk.ts";
import { purekvSt } from "./grid/purekv_st.ts";
import { radial } from "./grid/radial.ts";
import { sharpvKeys } from "./grid/sharpv_keys.ts";
import { svg, svgSink } from "./grid/svg.ts";
import { moga } from "./group/moga.ts";
import { svg2 } from "./group/svg2.ts";
import { omnisparseKeys } from "./keys/omnisparse_keys.ts";
import { purekvKeys } from "./keys/purekv_keys.ts";
import { blockTopk } from "./mask/block_topk.ts";
import { draft } from "./mask/draft.ts";
import { pooledTopk } from "./mask/pooled_topk.ts";
import { rectified } from "./mask/rectified.ts";
import { spargeattn } from "./mask/spargeattn.ts";
import { sta } from "./mask/sta.ts";
import { xattention } from "./mask/xattention.ts";
import type { Method } from "./method.ts";
import { blockTopkMean } from "./pyramid/block_topk_mean.ts";
import { pisa } from "./pyramid/pisa.ts";
import { pooledTopkMean } from "./pyramid/pooled_topk_mean.ts";
import { psa } from "./pyramid/psa.ts";
import { psa1248 } from "./pyramid/psa_1248.ts";
import { psaReleased } from "./pyramid/psa_released.ts";
import { psaThreshold } from "./pyramid/psa_threshold.ts";
import { adamasPublished, adamasScaled } from "./query/adamas.ts";
import { moba } from "./query/moba.ts";
import { ssa } from "./query/ssa.ts";
import { vmoba } from "./query/vmoba.ts";

/** All methods, in the order in which tables list them. */
export const METHODS: readonly Method[] = [
  dense,
  psa,
  psa1248,
  psaThreshold,
  psaReleased,
  blockTopk,
  blockTopkMean,
  pooledTopk,
  pooledTopkMean,
  pisa,
  xattention,
  spargeattn,
  sta,
  draft,
  rectified,
  random,
  massTopk,
  tokenTopk,
  moba,
  vmoba,
  ssa,
  adamasPublished,
  adamasScaled,
  purekvKeys,
  purekvSt,
  sharpvKeys,
  omnisparseKeys,
  moga,
  svg,
  svgSink,
  svg2,
  radial,
];

/**
 * The method of a name.
 *
 * @param name its name
 * @param methods the methods to look among; default all of the registry
 * @throws {InputError} if there is none
 *
 * @example
 * ```ts
 * import { methodOf } from "./mod.ts";
 * console.log(methodOf("block-topk").rule); // best blocks in full, the others skipped
 * ```
 */
export function methodOf(name: string, methods: readonly Method[] = METHODS): Method {
  const method = methods.find((each) => each.name === name);
  if (method !== undefined) return method;
  throw new InputError(
    `The method is "${name}"; it should be one of ${methods.map((each) => each.name).join(", ")}.`,
  );
}
