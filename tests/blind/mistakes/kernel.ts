/**
 * Compiles the C kernel of this folder, and runs it with a mistake in it on exported cases.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

/** A case as the raw export describes it. */
export interface RawCase {
  /** The file's name without `.json`. */
  readonly stem: string;
  /** The parameters of the case. */
  readonly parameters: CaseParameters;
  /** Whether the case has an order of tokens. */
  readonly ordered: boolean;
}

/** The parameters of a case that the kernels here read. */
export interface CaseParameters {
  readonly stage: string;
  readonly batch: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly seqQ: number;
  readonly seqK: number;
  readonly headDim: number;
  readonly valueDim: number;
  readonly blockM: number;
  readonly blockN: number;
  readonly tile: number;
  readonly causal: boolean;
  readonly tail: string;
  readonly scale?: number;
}

/** The output of a command, decoded. */
export interface Ran {
  readonly code: number;
  readonly text: string;
}

/** The folder of the project. */
export const ROOT: string = fileURLToPath(new URL("../../../", import.meta.url));

/** Runs a command in the project's folder. */
export async function run(command: string, args: readonly string[]): Promise<Ran> {
  const ran = await new Deno.Command(command, { args: [...args], cwd: ROOT, env: { NO_COLOR: "1" } })
    .output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: ran.code, text: decode(ran.stdout) + decode(ran.stderr) };
}

/** The C files of the kernel of the first two sets, and of the one of the third set. */
export const KERNELS: Readonly<Record<"tiles" | "groups", readonly string[]>> = {
  tiles: ["attention", "files", "main", "numbers", "pyramid"].map((name) =>
    `${ROOT}tests/blind/mistakes/c/${name}.c`
  ),
  groups: ["groups/attention", "c/files", "c/main", "c/numbers", "c/pyramid"].map((name) =>
    `${ROOT}tests/blind/mistakes/${name}.c`
  ),
};

/**
 * Compiles C files into one program.
 *
 * @param sources the files, or a folder of which all are taken
 * @param program the file to write
 * @returns why it could not be done, or null
 */
export async function compileC(sources: string | readonly string[], program: string): Promise<string | null> {
  const files = typeof sources === "string"
    ? [...Deno.readDirSync(sources)].map(({ name }) => `${sources}/${name}`).filter((name) =>
      name.endsWith(".c")
    )
    : sources;
  try {
    const args = [
      "-O2",
      "-Wall",
      "-Wextra",
      "-o",
      program,
      ...files.toSorted(),
      "-lm",
    ];
    const { code, text } = await run("cc", args);
    return code === 0 ? null : `cc: ${text}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "there is no C compiler `cc` here";
    throw error;
  }
}

/** The cases of attention in a folder that was exported raw. */
export async function rawCases(folder: string): Promise<RawCase[]> {
  const { cases } = JSON.parse(await Deno.readTextFile(`${folder}/manifest.json`));
  const read = await Promise.all(cases.map(async ({ file }: { file: string }) => {
    const { metadata, tensors } = JSON.parse(await Deno.readTextFile(`${folder}/${file}`));
    const parameters: CaseParameters = JSON.parse(metadata.parameters);
    return { stem: file.replace(/\.json$/, ""), parameters, ordered: tensors.order !== undefined };
  }));
  return read.filter(({ parameters }) => parameters.stage === "attention");
}

/** Exports the cases of attention of a suite as raw files. */
export async function exportRaw(folder: string, suite: string): Promise<void> {
  const args = [
    "task",
    "export",
    "--out",
    folder,
    "--suite",
    suite,
    "--format",
    "raw",
    "--filter",
    "attention",
  ];
  const { code, text } = await run(Deno.execPath(), args);
  if (code !== 0) throw new Error(`export: ${text}`);
}

/**
 * Runs the C kernel on one case.
 *
 * @param program the compiled kernel
 * @param mistake the number of the mistake; 0 is right
 * @param paths `cases` and `outputs`, folders
 */
export async function runCase(
  program: string,
  mistake: number,
  { stem, parameters: p, ordered, cases, outputs }: RawCase & {
    readonly cases: string;
    readonly outputs: string;
  },
): Promise<void> {
  const scale = p.scale ?? 1 / Math.sqrt(p.headDim), flags = [p.causal, p.tail === "replicate", ordered];
  const sizes = [
    p.batch,
    p.heads,
    p.kvHeads,
    p.seqQ,
    p.seqK,
    p.headDim,
    p.valueDim,
    p.blockM,
    p.blockN,
    p.tile,
  ];
  const args = [mistake, `${cases}/${stem}`, `${outputs}/${stem}`, ...sizes, scale, ...flags.map(Number)];
  const { code, text } = await run(program, args.map(String));
  if (code !== 0) throw new Error(`mistake ${mistake} on ${stem}: ${text}`);
}

/** Runs the C kernel on all cases of attention of a folder. */
export async function runAll(
  program: string,
  mistake: number,
  paths: { readonly cases: string; readonly outputs: string },
): Promise<void> {
  await Deno.mkdir(paths.outputs, { recursive: true });
  for (const one of await rawCases(paths.cases)) await runCase(program, mistake, { ...one, ...paths });
}

/** Judges a folder of outputs. */
export function verify(cases: string, outputs: string, ...options: string[]): Promise<Ran> {
  return run(Deno.execPath(), ["task", "verify", cases, "--outputs", outputs, ...options]);
}
