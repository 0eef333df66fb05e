/**
 * Peers of the bench: dense attention of other packages on the same device.
 *
 * @module
 */

/** A call of dense attention in float32: heads, tokens, channels, and numbers as [tokens, heads, channels]. */
export interface PeerCall {
  readonly heads: number;
  readonly tokens: number;
  readonly dim: number;
  readonly q: Float32Array<ArrayBuffer>;
  readonly k: Float32Array<ArrayBuffer>;
  readonly v: Float32Array<ArrayBuffer>;
}

/** A call that is ready to run. */
export interface PeerRun {
  /** Runs it once; the outputs, [tokens, heads, channels]. */
  readonly output: () => Promise<Float32Array>;
  /** Runs it some times one after the other and waits until all are done. */
  readonly repeat: (times: number) => Promise<void>;
}

/** A package that has attention. */
export interface Peer {
  /** Its name on npm, and the version that this bench was written for. */
  readonly name: string;
  readonly version: string;
  /** The file of the package that is imported, from node_modules. */
  readonly file: string;
  /** Builds a call by what the file exports. */
  readonly build: (module: unknown, call: PeerCall) => Promise<PeerRun>;
}

/**
 * Imports the file of a peer; undefined where the package is not installed. Nothing is downloaded.
 *
 * @param peer which
 *
 * @example
 * ```ts
 * import { findPeer } from "./peer.ts";
 * const build = () => Promise.reject();
 * console.log(await findPeer({ name: "nowhere", version: "1.0.0", file: "nowhere/index.js", build })); // undefined
 * ```
 */
export async function findPeer({ file }: Peer): Promise<unknown> {
  const address = new URL(`../../node_modules/${file}`, import.meta.url);
  try {
    await Deno.stat(address);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  return await import(address.href);
}
