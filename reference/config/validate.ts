/**
 * Checks a configuration as a whole and reports all errors in one message.
 *
 * @module
 */
import { InputError } from "../errors.ts";
import { show } from "../show.ts";
import { isLevel } from "../pyramid/pyramid.ts";
import { ratioErrors, shareErrors } from "../levels/ratios.ts";
import type { AssignmentConfig, Box, ImportanceConfig, PsaConfig, Ratio } from "./config.ts";

/** The block sizes of queries and of keys that PSA is defined for here. */
export const BLOCK_SIZES: readonly number[] = [16, 32, 64, 128];

/** The numbers of tokens of the calls. */
export interface SequenceLengths {
  /** Query tokens. */
  readonly seqQ: number;
  /** Key tokens. */
  readonly seqK: number;
}

/** Adds a sentence to the list of errors unless a condition holds. */
type Check = (condition: boolean, sentence: string) => void;

const FIELDS: Readonly<Record<keyof PsaConfig, true>> = {
  blockM: true,
  blockN: true,
  tile: true,
  importance: true,
  assignment: true,
  similarityThresholds: true,
  textLength: true,
  causal: true,
  scale: true,
  tail: true,
  order: true,
};

/**
 * All errors of a configuration, one sentence each; may be empty.
 *
 * @param config the configuration
 * @param lengths the numbers of tokens; left out: checks that need them are skipped
 *
 * @example
 * ```ts
 * import { configErrors } from "./validate.ts";
 * import { presets } from "./presets.ts";
 * console.log(configErrors({ ...presets["Wan2.1-14B"].config, blockM: 48, tile: 256 }).length); // 2
 * ```
 */
export function configErrors(config: PsaConfig, lengths?: SequenceLengths): string[] {
  if (!isObject(config)) return [`The config is ${show(config)}; it should be an object.`];
  const strange = (["importance", "assignment", "similarityThresholds", "order"] as const).filter((name) =>
    config[name] !== undefined && !isObject(config[name])
  );
  if (strange.length > 0) {
    return strange.map((name) => `\`${name}\` is ${show(config[name])}; it should be an object.`);
  }
  const errors: string[] = [];
  const check: Check = (condition, sentence) => {
    if (!condition) errors.push(sentence);
  };
  for (const name of Object.keys(config)) {
    check(Object.hasOwn(FIELDS, name), `The config has no field \`${name.slice(0, 80)}\`.`);
  }
  checkBlocks(config, check);
  checkImportance(config, check);
  checkAssignment(config, check);
  checkThresholds(config, check);
  checkRest(config, check);
  checkOrder(config, check);
  if (lengths !== undefined) checkLengths(config, lengths, check);
  return errors;
}

/**
 * Throws unless a configuration is right; the message has all errors.
 *
 * @param config the configuration
 * @param lengths the numbers of tokens
 * @returns the configuration
 * @throws {InputError} naming every error
 *
 * @example
 * ```ts
 * import { validateConfig } from "./validate.ts";
 * import { presets } from "./presets.ts";
 * const { config } = presets["Qwen2.5-VL"];
 * console.log(validateConfig(config, { seqQ: 4096, seqK: 4096 }) === config); // true
 * ```
 */
export function validateConfig(config: PsaConfig, lengths?: SequenceLengths): PsaConfig {
  const errors = configErrors(config, lengths);
  if (errors.length === 1) throw new InputError(errors[0]);
  if (errors.length > 1) {
    throw new InputError(
      `The config has ${errors.length} errors: ${errors.map((text, i) => `(${i + 1}) ${text}`).join(" ")}`,
    );
  }
  return config;
}

/** Block sizes and tile. */
function checkBlocks({ blockM, blockN, tile }: PsaConfig, check: Check): void {
  for (const [name, block] of [["blockM", blockM], ["blockN", blockN]] as const) {
    check(
      BLOCK_SIZES.includes(block),
      `\`${name}\` is ${show(block)}; it should be one of ${BLOCK_SIZES.join(", ")}.`,
    );
  }
  check(
    isLevel(tile, blockN),
    `\`tile\` is ${show(tile)}; it should be a power of two up to \`blockN\`, ${show(blockN)}.`,
  );
}

/** How key blocks are scored. */
function checkImportance({ importance, blockM, blockN }: PsaConfig, check: Check): void {
  const { kind } = importance ?? {} as Partial<ImportanceConfig>;
  check(
    kind !== undefined && ["sampled", "full", "antidiagonal", "pooled"].includes(kind),
    `\`importance.kind\` is ${show(kind)}; it should be "sampled", "full", "antidiagonal" or "pooled".`,
  );
  if (importance?.kind === "sampled") {
    const { seed } = importance;
    check(isCount(seed), `\`importance.seed\` is ${show(seed)}; it should be a whole number from 0.`);
  }
  if (importance?.kind === "antidiagonal") {
    const { stride } = importance;
    check(
      Number.isInteger(stride) && stride > 0 && blockM % stride === 0 && blockN % stride === 0,
      `\`importance.stride\` is ${show(stride)}; it should divide \`blockM\`, ${
        show(blockM)
      }, and \`blockN\`, ${show(blockN)}.`,
    );
  }
}

/** How scores become levels. */
function checkAssignment({ assignment, blockN }: PsaConfig, check: Check): void {
  const add = (sentences: readonly string[]) => sentences.forEach((sentence) => check(false, sentence));
  switch (assignment?.mode) {
    case "topk":
    case "threshold": {
      const { ratios } = assignment;
      const isList = Array.isArray(ratios) && !ratios.some((each: unknown) => !Array.isArray(each));
      if (isList) add(ratioErrors(ratios as readonly Ratio[], blockN));
      else check(false, "`ratios` is missing; it should list [level, start, end] up to the end 1.");
      const minFullRatio = assignment.mode === "threshold" ? assignment.minFullRatio ?? 0 : 0;
      check(
        minFullRatio >= 0 && minFullRatio <= 1,
        `\`minFullRatio\` is ${show(minFullRatio)}; it should be a fraction from 0 to 1.`,
      );
      return;
    }
    case "density": {
      const { density, shares } = assignment;
      if (shares !== undefined && !isObject(shares)) {
        return check(false, `\`shares\` is ${show(shares)}; it should give each level its share.`);
      }
      check(
        density > 0 && density <= 1,
        `\`density\` is ${show(density)}; it should be above 0 and at most 1.`,
      );
      if (shares !== undefined) add(shareErrors(shares, blockN));
      return;
    }
    default: {
      const { mode } = assignment ?? {} as Partial<AssignmentConfig>;
      check(
        false,
        `\`assignment.mode\` is ${show(mode)}; it should be "topk", "threshold" or "density".`,
      );
    }
  }
}

/** Thresholds of the similarity cap. */
function checkThresholds({ similarityThresholds = {}, blockN }: PsaConfig, check: Check): void {
  for (const [key, threshold] of Object.entries(similarityThresholds)) {
    const level = /^\d{1,9}$/.test(key) ? key : show(key);
    check(
      Number(key) > 1 && isLevel(Number(key), blockN),
      `\`similarityThresholds\` has level ${level}; it should be a power of two above 1 that divides \`blockN\`, ${
        show(blockN)
      }.`,
    );
    check(
      threshold >= -1 && threshold <= 1,
      `\`similarityThresholds\` has ${
        show(threshold)
      } for level ${level}; it should be a cosine, from -1 to 1.`,
    );
  }
}

/** Text, causal, scale and tail. */
function checkRest(
  { textLength = 0, causal = false, scale = 1, tail = "exact" }: PsaConfig,
  check: Check,
): void {
  check(isCount(textLength), `\`textLength\` is ${show(textLength)}; it should be a whole number from 0.`);
  check(typeof causal === "boolean", `\`causal\` is ${show(causal)}; it should be true or false.`);
  check(Number.isFinite(scale), `\`scale\` is ${show(scale)}; it should be a finite number.`);
  check(
    tail === "exact" || tail === "replicate",
    `\`tail\` is ${show(tail)}; it should be "exact" or "replicate".`,
  );
}

/** The order of the tokens by itself. */
function checkOrder({ order, causal }: PsaConfig, check: Check): void {
  if (order === undefined) return;
  check(
    ["raster", "gilbert", "tile", "semantic"].includes(order.kind),
    `\`order.kind\` is ${show(order.kind)}; it should be "raster", "gilbert", "tile" or "semantic".`,
  );
  check(
    causal !== true || order.kind === "raster",
    `\`order.kind\` is ${
      show(order.kind)
    } and \`causal\` is true; only raster order keeps the past before the future.`,
  );
  if (order.kind === "gilbert" || order.kind === "tile") checkBox("order.box", order.box, check);
  if (order.kind === "tile") checkBox("order.tile", order.tile, check);
  if (order.kind === "gilbert") {
    check(
      order.variant === "released" || order.variant === "curve",
      `\`order.variant\` is ${show(order.variant)}; it should be "released" or "curve".`,
    );
  }
  if (order.kind === "semantic") {
    const { clusters, seed, iterations } = order;
    check(
      isCount(clusters) && clusters >= 1,
      `\`order.clusters\` is ${show(clusters)}; it should be a whole number from 1.`,
    );
    check(isCount(seed), `\`order.seed\` is ${show(seed)}; it should be a whole number from 0.`);
    check(
      isCount(iterations),
      `\`order.iterations\` is ${show(iterations)}; it should be a whole number from 0.`,
    );
  }
}

/** A box of tokens. */
function checkBox(name: string, box: Box | undefined, check: Check): void {
  const { width, height, depth } = box ?? {};
  check(
    [width, height, depth].every((side) => isCount(side) && side > 0),
    `\`${name}\` is ${show(box)}; its width, height and depth should be positive whole numbers.`,
  );
}

/** Checks that depend on the number of tokens. */
function checkLengths(
  { textLength = 0, order }: PsaConfig,
  { seqQ, seqK }: SequenceLengths,
  check: Check,
): void {
  check(
    textLength <= seqK,
    `\`textLength\` is ${show(textLength)}; it should be at most the ${seqK} keys.`,
  );
  if (order === undefined || order.kind === "raster") return;
  check(
    seqQ === seqK,
    `\`order.kind\` is ${
      show(order.kind)
    } for ${seqQ} queries and ${seqK} keys; an order needs as many of both.`,
  );
  const moving = seqK - textLength;
  if (order.kind === "semantic") {
    check(
      order.clusters <= moving,
      `\`order.clusters\` is ${
        show(order.clusters)
      }; it should be at most the ${moving} tokens that are not text.`,
    );
  } else if (order.box !== undefined) {
    const { width, height, depth } = order.box, tokens = width * height * depth;
    const sides = `${show(width)} x ${show(height)} x ${show(depth)}`;
    check(
      tokens === moving,
      `\`order.box\` holds ${sides} = ${tokens} tokens; it should hold the ${moving} that are not text.`,
    );
  }
}

/** Whether something has names and values. */
function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether something is a whole number that is not negative. */
function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
