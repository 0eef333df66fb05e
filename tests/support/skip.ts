/**
 * Tests that need what not every machine has. What is left out is said, with its reason, and counted at the end of
 * `deno task test` (tests/run.ts).
 *
 * @module
 */

/** The requirements of a test. */
export interface Need {
  /** Whether it is here. */
  readonly here: boolean;
  /** The missing thing where it is not there, such as "no pandas here". */
  readonly lack: string;
}

/**
 * Registers a test that needs something; where that is not here the test is listed as ignored, with the reason in its
 * name.
 *
 * @param need what it needs
 * @param test the test
 */
export function testWith({ here, lack }: Need, test: Deno.TestDefinition): void {
  Deno.test(here ? test : { ...test, name: `${test.name} [skipped: ${lack}]`, ignore: true });
}

/**
 * Says within a test that a part of it is left out.
 *
 * @param what the part
 * @param lack what is missing
 */
export function leaveOut(what: string, lack: string): void {
  console.log(`skipped: ${what} [skipped: ${lack}]`);
}
