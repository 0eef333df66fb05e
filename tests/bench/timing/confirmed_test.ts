/** Times count when a second submission confirms them. */
import { confirmedRun, timeConfirmed } from "../../../bench/timing/confirmed.ts";
import { assertEquals } from "../../support/assert.ts";

/** Submissions that give these milliseconds, one after the other. */
function submissions(...medians: number[]) {
  let calls = 0;
  return {
    submit: () => Promise.resolve({ milliseconds: [medians[calls++]] }),
    calls: () => calls,
  };
}

Deno.test("a slow submission is not confirmed by a fast one, two that agree are", async () => {
  assertEquals(confirmedRun([]), undefined);
  assertEquals(confirmedRun([[4]]), undefined);
  assertEquals(confirmedRun([[13], [5]]), undefined);
  assertEquals(confirmedRun([[13], [5], [5.4]]), [5]);
  const { submit, calls } = submissions(13, 5, 5.4, 1);
  assertEquals(await timeConfirmed(submit), [5]);
  assertEquals(calls(), 3);
});

Deno.test("a submission longer than a slow stretch needs no second one", async () => {
  const { submit, calls } = submissions(1200, 900);
  assertEquals(await timeConfirmed(submit), [1200]);
  assertEquals(calls(), 1);
});

Deno.test("times that never agree give the fastest after six tries", async () => {
  const { submit, calls } = submissions(60, 50, 40, 30, 20, 10);
  assertEquals(await timeConfirmed(submit), [10]);
  assertEquals(calls(), 6);
});

Deno.test("a confirmed time counts only while the machine is at its best", async () => {
  let calls = 0;
  const submit = () => Promise.resolve({ milliseconds: [5], trusted: ++calls >= 4 });
  assertEquals(await timeConfirmed(submit), [5]);
  assertEquals(calls, 4);
});
