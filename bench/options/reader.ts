/**
 * Reads the values of options by kind; the error about a wrong one is one sentence.
 *
 * @module
 */
import { requireInput } from "../../reference/errors.ts";
import { closestString } from "../std/std.ts";

/**
 * Reads values of options by kind. What an option has no value for is read from its fallback.
 *
 * @example
 * ```ts
 * import { OptionReader } from "./reader.ts";
 * console.log(new OptionReader({ seed: "3" }).whole("seed", 1)); // 3
 * ```
 */
export class OptionReader {
  /** Takes given options by name: texts, lists of texts, true or false. */
  constructor(readonly given: Readonly<Record<string, unknown>>) {}

  /** A text. */
  text(name: string, fallback: string): string {
    const value = this.given[name];
    const text = Array.isArray(value) ? value.join(",") : String(value ?? "");
    requireInput(value === undefined || text !== "", () => `--${name} is empty; it needs a value.`);
    return value === undefined ? fallback : text;
  }

  /** The values of an option that may be repeated. */
  texts(name: string): string[] {
    const value = this.given[name] ?? [];
    const values = (Array.isArray(value) ? value : [value]).map(String);
    requireInput(values.every((each) => each !== ""), () => `--${name} is empty; it needs a value.`);
    return values;
  }

  /** Texts between commas. */
  list(name: string, fallback: string): string[] {
    const text = this.text(name, fallback);
    const items = text === "" ? [] : text.split(",").map((item) => item.trim());
    requireInput(items.every((item) => item !== ""), () => `--${name} is "${text}"; it has an empty entry.`);
    return [...new Set(items)];
  }

  /** Whether an option without a value was given. */
  flag(name: string): boolean {
    return this.given[name] === true;
  }

  /** A whole number from 0. */
  whole(name: string, fallback: number): number {
    const text = this.text(name, String(fallback));
    requireInput(
      /^\d+$/.test(text) && Number.isSafeInteger(Number(text)),
      () => `--${name} is "${text}"; it should be a whole number, 0 or more.`,
    );
    return Number(text);
  }

  /** A whole number from 1. */
  count(name: string, fallback: number): number {
    const value = this.whole(name, fallback);
    requireInput(value > 0, () => `--${name} is ${value}; it should be at least 1.`);
    return value;
  }

  /** A number between two others, which it must not reach. */
  between(name: string, [low, high]: readonly [number, number], fallback: number): number {
    const text = this.text(name, String(fallback)), value = Number(text);
    requireInput(
      value > low && value < high,
      () => `--${name} is "${text}"; it should be a number above ${low} and below ${high}.`,
    );
    return value;
  }

  /** Some of some numbers. */
  someOf(name: string, allowed: readonly number[], fallback: string): number[] {
    return this.list(name, fallback).map((text) => {
      requireInput(
        allowed.includes(Number(text)),
        () => `--${name} is "${text}"; it should be one of ${allowed.join(", ")}.`,
      );
      return Number(text);
    });
  }
}

/**
 * Throws unless a name is known, and names the nearest.
 *
 * @example
 * ```ts
 * import { requireName } from "./reader.ts";
 * console.log(requireName("dtype", "f16", ["f32", "f16"])); // f16
 * ```
 */
export function requireName<Name extends string>(
  option: string,
  name: string,
  known: readonly Name[],
): Name {
  requireInput(
    known.includes(name as Name),
    () =>
      `--${option} is "${name}"; the nearest is ${closestString(name, known)}. It should be one of ${
        known.join(", ")
      }.`,
  );
  return name as Name;
}
