/**
 * The state that all scopes of a device share, and their options.
 *
 * @module
 */
import type { GpuError } from "./errors.ts";

/** How a compute pipeline is built. */
export interface PipelineOptions {
  /** A name for error messages. */
  readonly label: string;
  /** Values of the kernel's overrides. */
  readonly constants?: Readonly<Record<string, number>>;
}

/** Options of a {@link Gpu}. */
export interface GpuState {
  /** Called with a sentence when the device reports an error that no call was waiting for. */
  readonly onError?: (sentence: string) => void;
  /** Milliseconds that one wait for the device may take. */
  readonly patience?: number;
}

/** The state that all scopes of a device share. */
export interface Shared {
  /** An error that the device reported while nobody waited; the next call throws it. */
  trouble: GpuError | null;
  /** Why the device is gone; all calls throw it. */
  gone: GpuError | null;
  running: string;
  readonly patience: number;
  /** Pipelines that are built, by text and constants, the one that was used last at the end. */
  readonly pipelines: Map<string, Promise<GPUComputePipeline>>;
  /** Buffers of all scopes that are not freed. */
  readonly live: Set<GPUBuffer>;
  /** Promises for buffers that may not have got their memory. */
  allocations: Promise<void>[];
}

/** Objects of a device that are alive, those of all scopes together. */
export interface LiveObjects {
  /** Buffers that are not freed. */
  readonly buffers: number;
  /** Their bytes. */
  readonly bytes: number;
  /** Pipelines that are kept so that the same kernel is compiled once. */
  readonly pipelines: number;
}

/** Pipelines that are kept: a program that goes through shapes for days does not keep the kernels of all of them. */
export const MOST_PIPELINES = 128;

/** Milliseconds after a failure in which a device says that it is lost. */
export const NOTICE = 100;

/** Milliseconds that one wait for the device may take by default. */
const PATIENCE = 600_000;

/** The state of a device on which nothing has run. */
export function newShared(patience: number = PATIENCE): Shared {
  return {
    ...{ trouble: null, gone: null, running: "nothing", patience },
    ...{ pipelines: new Map(), live: new Set(), allocations: [] },
  };
}
