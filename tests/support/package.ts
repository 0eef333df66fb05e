/**
 * The package as users get it: the files that `deno publish` lists, in a folder of their own.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** One file of the package. */
export interface PackageFile {
  /** Its path from the root of the project. */
  readonly path: string;
  /** Its size. */
  readonly bytes: number;
}

/** The result of a process. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs Deno in a folder. */
export async function runDeno(args: readonly string[], cwd: string = ROOT): Promise<Finished> {
  const command = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd,
    stdin: "null",
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
  });
  const { code, stdout, stderr } = await command.output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}

/** The files that `deno publish` would upload. */
export async function packageFiles(): Promise<PackageFile[]> {
  const { code, stdout, stderr } = await runDeno(["publish", "--dry-run", "--allow-dirty", "--no-check"]);
  if (code !== 0) throw new Error(stderr);
  const listed = [...(stdout + stderr).matchAll(/^ {3}(file:\S+) \(/gm)].map(([, url]) => fileURLToPath(url));
  return await Promise.all(listed.map(async (file) => ({
    path: file.slice(ROOT.length).replaceAll("\\", "/"),
    bytes: (await Deno.stat(file)).size,
  })));
}

/** A copy of the package, which goes away when disposed. */
export interface PackageCopy extends AsyncDisposable {
  /** Where it is. */
  readonly folder: string;
  /** The same as an address, with a slash at the end. */
  readonly url: URL;
}

/** Copies the files of the package to a new folder. */
export async function copyPackage(files: readonly PackageFile[]): Promise<PackageCopy> {
  const folder = await Deno.makeTempDir({ prefix: "psa-package-" });
  for (const { path } of files) {
    await Deno.mkdir(dirname(join(folder, path)), { recursive: true });
    await Deno.copyFile(join(ROOT, path), join(folder, path));
  }
  return {
    folder,
    url: pathToFileURL(`${folder}/`),
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}
