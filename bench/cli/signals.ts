/**
 * Signals that ask a command to end: it writes its finished work, and its exit code names the signal.
 *
 * @module
 */
import { say } from "../text/output.ts";

/** The exit codes of signals. */
const CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
/** Milliseconds in which further signals are the same one: a terminal tells every process, and parents pass it on. */
const SAME = 1000;

/**
 * Hears SIGINT (Ctrl-C), SIGTERM and SIGHUP as long as it lives. The first one aborts {@link Interruption.signal}; one
 * that comes a second later or more ends the process at once.
 *
 * @example
 * ```ts
 * import { Interruption } from "./signals.ts";
 * using interruption = new Interruption();
 * console.log(interruption.code); // null: nothing asked for an end
 * ```
 */
export class Interruption implements Disposable {
  /** The exit code of the signal that came; null if none did. */
  code: number | null = null;
  readonly #controller = new AbortController();
  readonly #heard: (readonly [Deno.Signal, () => void])[] = [];

  readonly #same: number;
  #since = 0;

  /**
   * Begins to listen.
   *
   * @param options `same`: milliseconds in which further signals are the same one; default 1000
   */
  constructor({ same = SAME }: { readonly same?: number } = {}) {
    this.#same = same;
    for (const [signal, code] of Object.entries(CODES) as [keyof typeof CODES, number][]) {
      const hear = () => this.#hear(signal, code);
      try {
        Deno.addSignalListener(signal, hear);
        this.#heard.push([signal, hear]);
      } catch {
        // this system has no such signal
      }
    }
  }

  /** Aborted when a signal comes. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Ends the process with the code of the signal, if one came. */
  exit(): void {
    if (this.code !== null) Deno.exit(this.code);
  }

  #hear(signal: string, code: number): void {
    if (this.code !== null) {
      if (performance.now() - this.#since < this.#same) return;
      Deno.exit(code);
    }
    [this.code, this.#since] = [code, performance.now()];
    say(`${signal}: finished rows are kept; a second signal ends the run at once.`, "stderr");
    this.#controller.abort();
  }

  /** Listens no longer. */
  [Symbol.dispose](): void {
    for (const [signal, hear] of this.#heard) Deno.removeSignalListener(signal, hear);
  }
}
