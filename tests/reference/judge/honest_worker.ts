/** The worker of `deno task honest`: one arithmetic on one set of data. */
import { judgeHonest } from "../../../fixtures/conformance/honest/judging.ts";
import type { KernelDType } from "../../../reference/judge/arithmetic.ts";
import { answerWith } from "../../support/spread.ts";

/** A piece of work. */
export interface HonestWork {
  readonly data: string;
  readonly dtype: KernelDType;
  readonly arithmetic: string;
}

answerWith(({ data, ...of }: HonestWork) => judgeHonest(data, of));
