/** Each task asks only for the permissions that it needs; tests of commands run with the same (tests/support/command.ts). */
import { commandOf, permissionsOf, TASK_NAMES } from "../support/tasks.ts";
import { assert, assertEquals } from "../support/assert.ts";

Deno.test("permissions: no task asks for all of them", () => {
  for (const task of TASK_NAMES) {
    assert(!/(^| )(-A|--allow-all)( |$)/.test(commandOf(task)), `${task}: ${commandOf(task)}`);
  }
});

Deno.test("permissions: what only reads cannot write, run or reach the network", () => {
  assertEquals(permissionsOf("compare"), ["--allow-read"]);
  assertEquals(permissionsOf("wgsl"), ["--allow-read"]);
  assertEquals(permissionsOf("export"), ["--allow-read", "--allow-write"]);
  for (const task of ["sweep", "tune", "verify", "merge", "bench:gpu"]) {
    const all = permissionsOf(task);
    assert(all.every((flag) => !flag.startsWith("--allow-net") && flag !== "--allow-run"), task);
  }
});

Deno.test("permissions: software is installed by `setup` alone, which only the two commands of the README call", () => {
  const callers = TASK_NAMES.filter((task) => / bench\/cli\/setup\.ts \S/.test(commandOf(task)));
  assertEquals(callers, ["sweep", "test", "test:strangers"]);
});
