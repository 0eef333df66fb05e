/**
 * PSA with a budget of density that reaches level 8.
 *
 * @module
 */
import type { BlockMethod } from "../method.ts";
import { rankedBy } from "../select.ts";
import { psa } from "./psa.ts";

/** The shares of `psa-1248`. */
export const PSA_1248_SHARES = { 1: 0.4, 2: 0.2, 4: 0.2, 8: 0.2 };

/** {@link psa} with .4, .2, .2 and .2 of the density for levels 1, 2, 4 and 8: more blocks are seen, fewer in full. */
export const psa1248: BlockMethod = {
  ...psa,
  name: "psa-1248",
  rule: "best blocks first at levels 1, 2, 4, 8; they get .4, .2, .2, .2 of the density",
  select: (inputs, density) => rankedBy(inputs, inputs.importance, density, PSA_1248_SHARES),
};
