/**
 * The tuned file of a sweep.
 *
 * @module
 */
import type { TunedCall } from "../../../reference/config/tuned.ts";

/** A tuned file, as far as a sweep needs it. */
export interface TunedFile {
  /** Its path. */
  readonly path: string;
  /** The first 12 hex digits of its SHA-256. */
  readonly hash: string;
  /** The density that it was tuned for. */
  readonly density: number;
  /** Its choices. */
  readonly call: TunedCall;
}
