/**
 * Every command: what it does not know, and what it must not do by the way.
 *
 * @module
 */
import { assert } from "@std/assert";
import type { TemporaryFolder } from "../../support/command.ts";
import { assertCame, assertRefused, move, task } from "./move.ts";

const COMMANDS = [
  "sweep",
  "merge",
  "compare",
  "claim",
  "export",
  "verify",
  "wgsl",
  "kill-matrix",
  "mutate",
  "bench:gpu",
];

for (const command of COMMANDS) {
  move(`${command} with an option that it does not have`, async () => {
    assertRefused(await task([command, "--banana"], { limit: 12 }), /banana/);
  });
}

/** A folder whose `apt-get`, `sudo` and `npx` write down that they were called. */
async function watched(folder: TemporaryFolder): Promise<Record<string, string>> {
  const log = folder.at("called");
  for (const name of ["apt-get", "apt", "sudo", "npx"]) {
    await Deno.writeTextFile(folder.at(name), `#!/bin/sh\necho ${name} "$@" >> ${log}\nexit 1\n`, {
      mode: 0o755,
    });
  }
  return { PATH: `${folder.path}:${Deno.env.get("PATH")}`, DENO_WEBGPU_BACKEND: "banana" };
}

for (
  const words of [
    "verify --help",
    "export --help",
    "compare --help",
    "merge --help",
    "sweep --help",
    "sweep --list",
  ]
) {
  move(`${words} installs nothing, whatever the environment says`, async (folder) => {
    const done = await task(words.split(" "), { env: await watched(folder), limit: 30 });
    assertCame(done, 0);
    const called = await Deno.readTextFile(folder.at("called")).catch(() => "");
    assert(called === "", called);
  });
}

move("a sweep with a backend that does not exist installs nothing", async (folder) => {
  const env = await watched(folder), out = folder.at("out");
  const words = `sweep --no-gpu --workload gaussian --seq 128 --dim 16 --densities 1 --out ${out}`;
  assertCame(await task(words.split(" "), { env, limit: 40 }), 0);
  assert(await Deno.readTextFile(folder.at("called")).catch(() => "") === "");
});

move("export into a file", async (folder) => {
  await Deno.writeTextFile(folder.at("file"), "");
  assertRefused(await task(["export", "--out", folder.at("file"), "--filter", "attention seed=3"]), /file/);
});

move("a sweep of a file that is a pipe", async (folder) => {
  const path = folder.at("in.safetensors");
  await new Deno.Command("mkfifo", { args: [path] }).output();
  const done = await task(["sweep", "--no-gpu", "--input", path, "--out", folder.at("out")], { limit: 10 });
  assertRefused(done, /file/);
});
