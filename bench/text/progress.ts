/**
 * How far a sweep is, on stderr: a bar that is drawn over itself on a terminal, a line now and then elsewhere.
 *
 * @module
 */
import { visible, write } from "./output.ts";

/** The output of progress, and the clock. */
export interface ProgressOptions {
  /** Writes a text. */
  readonly write: (text: string) => void;
  /** Whether the text goes to a terminal. */
  readonly isTerminal: boolean;
  /** Milliseconds; default the system's clock. */
  readonly now?: () => number;
}

const CELLS = 24, LINE_EVERY = 0.1;

/**
 * The progress of a sweep.
 *
 * @example
 * ```ts
 * import { Progress } from "./progress.ts";
 * let text = "";
 * const progress = new Progress({ write: (part) => text += part, isTerminal: true });
 * progress.show(0.5, "a trace");
 * console.log(text.includes("50%")); // true
 * ```
 */
export class Progress {
  readonly #options: ProgressOptions;
  readonly #begin: number;
  #next = 0;

  /** Begins to count time. */
  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#begin = this.#now();
  }

  /**
   * Shows how far the sweep is.
   *
   * @param done the share that is done
   * @param what the name of the work
   */
  show(done: number, what: string): void {
    const { write, isTerminal } = this.#options;
    if (!isTerminal && done < this.#next) return;
    while (this.#next <= done) this.#next += LINE_EVERY;
    const line = `${bar(done)} ${percent(done)}  ${this.#timeLeft(done)}  ${visible(what)}`.slice(0, 79);
    write(isTerminal ? `\r\x1b[K${line}` : `${line}\n`);
  }

  /** Takes the bar away, so that something else can be written. */
  clear(): void {
    if (this.#options.isTerminal) this.#options.write("\r\x1b[K");
  }

  #now(): number {
    return (this.#options.now ?? (() => performance.now()))();
  }

  #timeLeft(done: number): string {
    const spent = (this.#now() - this.#begin) / 1000;
    if (done < 0.02 || spent < 1) return "time left unknown";
    return `${formatSeconds(spent * (1 - done) / done)} left`;
  }
}

/** Receives progress: the finished share, and the name of the next step. */
export type OnProgress = (done: number, what: string) => void;

/**
 * Does work with a bar on stderr, if that is a terminal; elsewhere nothing is shown.
 *
 * @param work gets a function that receives its progress
 *
 * @example
 * ```ts
 * import { withProgress } from "./progress.ts";
 * console.log(await withProgress((tell) => (tell(0.5, "half"), Promise.resolve("done")))); // done
 * ```
 */
export async function withProgress<Result>(
  work: (onProgress: OnProgress) => Promise<Result>,
): Promise<Result> {
  if (!Deno.stderr.isTerminal()) return await work(() => {});
  const progress = new Progress({ write: (text) => write(text, "stderr"), isTerminal: true });
  try {
    return await work((done, what) => progress.show(done, what));
  } finally {
    progress.clear();
  }
}

function bar(done: number): string {
  const full = Math.round(CELLS * Math.min(1, done));
  return `[${"#".repeat(full)}${".".repeat(CELLS - full)}]`;
}

function percent(done: number): string {
  return `${Math.floor(100 * Math.min(1, done))}%`.padStart(4);
}

/**
 * A time as people say it.
 *
 * @example
 * ```ts
 * import { formatSeconds } from "./progress.ts";
 * console.log(formatSeconds(75)); // "1 min 15 s"
 * ```
 */
export function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole % 3600 / 60)} min`;
}
