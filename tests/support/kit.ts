/**
 * The commands of the conformance kit in the process of the test: what they return, instead of what they print.
 *
 * @module
 */
import { command as exportCommand, exportRequest } from "../../bench/cli/export.ts";
import { command as verifyCommand, verifyRequest } from "../../bench/cli/verify.ts";
import { exportSuite } from "../../bench/conformance/export.ts";
import { verifyCases, type VerifyResult } from "../../bench/conformance/verify.ts";
import { readCommandLine } from "../../bench/options/command_line.ts";

/** Does what `export` does with these arguments; what it prints. */
export async function runExport(args: readonly string[]): Promise<string> {
  return await exportSuite(exportRequest(readCommandLine(args, exportCommand.help)));
}

/** Does what `verify` does with these arguments; its exit code, and what it prints. */
export async function runVerify(args: readonly string[]): Promise<VerifyResult> {
  return await verifyCases(verifyRequest(readCommandLine(args, verifyCommand.help)));
}
