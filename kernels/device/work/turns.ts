/**
 * Turns: pieces of work that share buffers run one after the other, in the order of their calls.
 *
 * @module
 */
import { GpuError } from "../errors.ts";

/** Runs pieces of work one after the other until it is closed. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  #running = 0;
  #isClosed = false;
  readonly #label: string;
  readonly #onIdle: () => void;

  /**
   * Nothing runs yet.
   *
   * @param label a name for error messages
   * @param onIdle called when it is closed and nothing runs any more
   */
  constructor(label: string, onIdle: () => void) {
    this.#label = label;
    this.#onIdle = onIdle;
  }

  /**
   * Runs work when all earlier work has ended.
   *
   * @throws {GpuError} if it was closed before the work began or while it ran
   */
  async take<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#requireOpen();
    this.#running++;
    const before = this.#last;
    const turn = before.then(async () => {
      this.#requireOpen();
      const result = await work();
      this.#requireOpen();
      return result;
    });
    this.#last = turn.catch(() => {});
    try {
      return await turn;
    } finally {
      this.#running--;
      if (this.#isClosed && this.#running === 0) this.#onIdle();
    }
  }

  /** Refuses work that has not begun, and calls `onIdle` as soon as nothing runs. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#running === 0) this.#onIdle();
  }

  #requireOpen(): void {
    if (!this.#isClosed) return;
    throw new GpuError(`${this.#label} has been disposed of.`, { kind: "disposed", label: this.#label });
  }
}
