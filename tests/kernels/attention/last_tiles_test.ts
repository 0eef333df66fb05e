/**
 * The last tile of a list is walked only as far as it is filled, by the text for devices with subgroups, whose shuffles are emulated
 * here. The text without them is run where keys are shared (splits_test.ts).
 */
import { parseCase } from "../../../mod.ts";
import { attentionCode, walksLastInPart } from "../../../kernels/attention/variant.ts";
import type { Gpu } from "../../../kernels/device/gpu.ts";
import { tokensOf } from "../../../kernels/lists/given.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { checkAttention, inputsOf } from "../../support/attention_check.ts";
import { replace } from "../../support/small_call.ts";
import { gpuTest } from "../../support/stage_case.ts";

/** Shuffles as lanes of a workgroup of 64 make them by way of its memory. */
const SHUFFLES = `
var<workgroup> shuffled: array<vec4f, 64>;
var<private> own_lane: u32;
fn shuffle_xor(x: vec4f, mask: u32) -> vec4f {
  workgroupBarrier();
  shuffled[own_lane] = x;
  workgroupBarrier();
  return shuffled[own_lane ^ mask];
}
`;

/** The text with loops in place of steps that are unrolled, which compilers in software take long for. */
function rolled(code: string): string {
  return code.replaceAll(
    /\{\s+(const four = (\d)u;\s+)?const step = (\d)u;([^{}]*)\}/g,
    (_, both, four = "0", step, body) => {
      if (four !== "0" || step !== "0") return "";
      const place = both === undefined ? "let step = n;" : "let four = n >> 2u;\nlet step = n & 3u;";
      return `for (var n = 0u; n < ${both === undefined ? 4 : 16}u; n++) {\n${place}\n${body}}`;
    },
  );
}

/** Emulates the shuffles of attention, and keeps its texts; gives what ends that. */
function emulateShuffles(gpu: Gpu, texts: string[]): () => void {
  return replace(gpu, "createShaderModule", (own) => (given) => {
    if (!given.code.includes("subgroupShuffleXor(")) return own(given);
    texts.push(given.code);
    const code = rolled(given.code).replaceAll("subgroupShuffleXor(", "shuffle_xor(")
      .replace("  let ty = ", "  own_lane = lid;\n  let ty = ");
    return own({ ...given, code: SHUFFLES + code });
  });
}

const CASE = "attention B=1 H=2 Lq=128 Lk=800 D=16 bm=32 bn=32 tile=32 levels=0,0,0,1,2,8";

gpuTest(
  "gpu: last tiles of lists that are filled to one, two, three and four quarters",
  async (gpu) => {
    const given = parseCase(CASE), texts: string[] = [];
    const { rowsOfQuarters = [] } = tokensOf(inputsOf(given).levels, { blockN: 32, group: 4 });
    const quarters = new Set(rowsOfQuarters.flatMap((rows, length) => rows > 0 ? [length % 4] : []));
    assertEquals(quarters.size, 4, `quarters of lists: ${rowsOfQuarters}`);
    using scope = gpu.scope();
    scope.info = { ...gpu.info, subgroupSize: 32, subgroupDirective: "" };
    const restore = emulateShuffles(gpu, texts);
    try {
      await checkAttention(scope, given);
    } finally {
      restore();
    }
    assertEquals(texts.length, 1);
    assert(texts[0].includes("subgroupShuffleXor(ta0, 8u)"), "a last tile has no text of its own");
  },
);

Deno.test("attention: which kernels walk the last tile only as far as it is filled", () => {
  const device = {
    ...{ subgroupSize: 32, subgroupDirective: "", matrices: null },
    limits: { maxComputeWorkgroupStorageSize: 49152 },
  };
  const call = { shape: { headDim: 64, valueDim: 64 }, blockM: 128, partial: false, group: 8 } as const;
  const walks = (options: Partial<Parameters<typeof attentionCode>[1]>) => {
    const all = { ...call, dtype: "f32", dense: false, causal: false, ...options } as const;
    const inPart = attentionCode(device, all).includes("let first_four");
    if (inPart) assert(walksLastInPart(all));
    return inPart;
  };
  assert(walks({ shortLists: true }));
  assert(walks({ shared: "longest" }));
  assert(!walks({}), "in long lists");
  assert(!walks({ shortLists: true, dtype: "f16" }) && !walks({ shortLists: true, causal: true }));
  assert(!walks({ shortLists: true, dense: true }) && !walks({ shortLists: true, masked: true }));
});
