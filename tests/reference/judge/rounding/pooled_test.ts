/** Means that are stored level after level: the errors of those that cancel later, in outputs of an honest kernel. */
import { attentionTolerance, compare, pyramidAttention, seededRandom } from "../../../../mod.ts";
import { poolLevels } from "../../../../reference/pyramid/pyramid.ts";
import { arithmeticNamed } from "../../../../reference/judge/arithmetic.ts";
import { errorPyramid } from "../../../../reference/judge/rounding/pooled.ts";
import { assert } from "../../../support/assert.ts";
import { bfloat16 } from "../../../../fixtures/conformance/honest/attention.ts";

const random = seededRandom(11), TOKENS = 96, DIM = 16, LEVEL = 8;

/** Numbers that change their sign after every second token, and differ a little. */
const alternating = () => ({
  data: Float64Array.from(
    { length: TOKENS * DIM },
    (_, at) => bfloat16((Math.floor(at / DIM / 2) % 2 === 0 ? 1.37 : -1.37) + 0.03 * random.normal()),
  ),
  shape: [1, 1, TOKENS, DIM],
});

/** Means of runs of tokens, made of those of half the length, all rounded. */
function stored(tokens: Float64Array, level: number): Float64Array {
  if (level === 1) return tokens;
  const half = stored(tokens, level / 2);
  return Float64Array.from({ length: half.length / 2 }, (_, at) => {
    const left = 2 * Math.floor(at / DIM) * DIM + at % DIM;
    return bfloat16((half[left] + half[left + DIM]) / 2);
  });
}

Deno.test("pooled: means that cancel after they were rounded are within their errors, and outputs within bounds", () => {
  const q = { data: new Float64Array(32 * DIM), shape: [1, 1, 32, DIM] },
    k = alternating(),
    v = alternating();
  const options = { blockM: 32, blockN: 32 }, { storage } = arithmeticNamed("bf16", "bf16 storage");
  const pyramid = poolLevels({ k, v }, { blockN: 32, levels: [1, LEVEL] });
  const errors = errorPyramid({ k, v }, pyramid, { blockN: 32, tail: "exact", storage }).get(LEVEL)!;
  const means = stored(v.data, LEVEL), exact = pyramid.get(LEVEL)!.v.data;
  let error2 = 0, variance = 0, sharp = 0;
  means.forEach((mean, at) => {
    error2 += (mean - exact[at]) ** 2;
    variance += errors.v.data[at];
    sharp += 3 * (storage.unit * exact[at]) ** 2 / 3;
  });
  assert(error2 > 0.5 * variance && error2 < 2 * variance, `${error2} of ${variance}`);
  assert(error2 > 20 * sharp, "as many roundings of the mean itself are far too few");
  const levels = { data: Int32Array.of(LEVEL, LEVEL, 0), shape: [1, 1, 1, 3] };
  const { out } = pyramidAttention({ q, k, v }, levels, options), seen = 2 * 32 / LEVEL;
  const got = out.data.map((_, at) => {
    const channel = Array.from({ length: seen }, (_, t) => means[t * DIM + at % DIM]);
    return bfloat16(channel.reduce((sum, x) => sum + x, 0) / seen);
  });
  const { relL2, maxAbs } = compare({ ...out, data: got }, out);
  const bound = attentionTolerance({ q, k, v }, levels, {
    ...options,
    dtype: "bf16",
    arithmetic: "bf16 storage",
  });
  assert(relL2 < bound.relL2 && maxAbs < bound.maxAbs, `${relL2} of ${bound.relL2}`);
  assert(bound.relL2 < 10 * relL2, `${relL2} of ${bound.relL2}`);
});
