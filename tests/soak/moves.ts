/**
 * The moves of a soak: calls, faults, wrong arguments, files. Each leaves the device as it was.
 *
 * @module
 */
import { createPsa, GpuError, type GpuErrorKind, InputError, type Psa } from "../../mod.ts";
import { fuzzTarget, type Target } from "../fuzz/target.ts";
import { KERNELS, READERS } from "../fuzz/targets.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { inputsOf, replace } from "../support/small_call.ts";
import { setupOf, SHAPES, type State } from "./state.ts";

/** Why a move takes seconds in software. */
export type Slow = "compiles" | "fuzzes";

/** Something that happens. */
export interface Move {
  readonly name: string;
  /** How often it happens, beside the others. */
  readonly weight: number;
  readonly run: (state: State) => Promise<void>;
  /** The reason why it is slow: kernels are compiled, or cases are fuzzed. */
  readonly slow?: Slow;
}

/** Inputs that calls have. */
const SEEDS = 5;

/** One of some. */
function oneOf<Item>({ random }: State, items: readonly Item[]): Item {
  return items[random.below(items.length)];
}

/** Asserts that a call fails as it should, or has ended before the fault came. */
async function assertFault(call: Promise<unknown>, kind: GpuErrorKind): Promise<boolean> {
  try {
    await call;
    return false;
  } catch (error) {
    assert(error instanceof GpuError, String(error));
    assertEquals(error.kind, kind, error.message);
    return true;
  }
}

/** A call. */
async function forward(state: State): Promise<void> {
  await state.forward(oneOf(state, state.kinds), 1 + state.random.below(SEEDS));
}

/** Calls at the same time. */
async function atOnce(state: State): Promise<void> {
  await Promise.all([forward(state), forward(state), forward(state)]);
}

/** A shape is opened, called and closed. */
async function shape(state: State): Promise<void> {
  const n = 1 + state.random.below(SHAPES - 1), setup = setupOf(n);
  using psa = await createPsa(state.gpu, setup);
  state.requireSame(`shape ${n}`, await psa.forward(inputsOf(setup)));
}

/** The device is lost while calls run, and another is opened. */
async function lost(state: State): Promise<void> {
  const { gpu, psa, random } = state, calls = [1, 2].map((seed) => psa.forward(inputsOf(setupOf(0), seed)));
  const watched = calls.map((call) => assertFault(call, "lost"));
  const wait = random.below(4);
  if (wait > 0) await new Promise((done) => setTimeout(done, 2 * wait));
  gpu.device.destroy();
  await Promise.all(watched);
  assert(await assertFault(psa.forward(inputsOf(setupOf(0))), "lost"), "a call on a device that is lost");
  await state.open();
}

/** There is no memory for one of the buffers of a new pipeline. */
async function noMemory(state: State): Promise<void> {
  const { gpu, random } = state, nth = random.below(15);
  let made = 0, isDue = false;
  const restore = [
    replace(gpu, "createBuffer", (own) => (description) => {
      isDue = made++ === nth;
      return own(description);
    }),
    replace(gpu, "popErrorScope", (own) => async () => {
      const isThis = isDue;
      isDue = false;
      return await own() ?? (isThis ? new GPUOutOfMemoryError("no memory left") : null);
    }),
  ];
  let psa: Psa | undefined;
  const failed = await assertFault(
    createPsa(gpu, setupOf(0)).then((made) => psa = made),
    "out-of-memory",
  );
  restore.forEach((each) => each());
  psa?.[Symbol.dispose]();
  if (failed) state.count("calls without memory");
}

/** A pipeline is disposed of while calls run on it and on another. */
async function disposed(state: State): Promise<void> {
  const psa = await createPsa(state.gpu, setupOf(0)), qkv = inputsOf(setupOf(0));
  const watched = [psa.forward(qkv), psa.forward(qkv)].map((call) => assertFault(call, "disposed"));
  const beside = forward(state);
  if (state.random.below(2) === 0) await new Promise((done) => setTimeout(done, 1));
  psa[Symbol.dispose]();
  await Promise.all([...watched, beside]);
  assert(await assertFault(psa.forward(qkv), "disposed"), "a call after dispose");
}

/** The device reports an error that nobody waited for; the next call throws it, once. */
async function reported(state: State): Promise<void> {
  state.gpu.device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
  await new Promise((done) => setTimeout(done, 20));
  assert(await assertFault(forward(state), "validation"), "an error that was reported");
}

/** Arguments that are wrong. */
async function wrong(state: State): Promise<void> {
  const forward = state.psa.forward.bind(state.psa) as (...args: unknown[]) => Promise<unknown>;
  const qkv = inputsOf(setupOf(0)), of = oneOf<unknown>(state, [null, {}, { ...qkv, k: qkv.q }, "x", []]);
  await assertRejects(() => forward(of), InputError);
  await assertRejects(() => forward(qkv, { levels: of }), InputError);
}

/** Random cases of a target. */
async function fuzz(state: State, targets: readonly Target[], runs: number): Promise<void> {
  const target = oneOf(state, targets), seed = state.random.below(2 ** 31);
  const { finding, runs: ran } = await fuzzTarget(target, { seed, runs });
  for (let i = 0; i < ran; i++) state.count("fuzzed cases");
  if (finding) throw new Error(`${target.name}: ${JSON.stringify(finding.given)}\n${finding.error}`);
}

/** All moves. */
export const MOVES: readonly Move[] = [
  { name: "forward", weight: 24, run: forward },
  { name: "calls at once", weight: 4, run: atOnce },
  { name: "shape", weight: 5, run: shape, slow: "compiles" },
  { name: "device closed and opened", weight: 2, run: (state) => state.open(), slow: "compiles" },
  { name: "device lost", weight: 2, run: lost, slow: "compiles" },
  { name: "no memory", weight: 3, run: noMemory },
  { name: "disposed while it runs", weight: 3, run: disposed },
  { name: "error that nobody waits for", weight: 2, run: reported },
  { name: "wrong arguments", weight: 3, run: wrong },
  { name: "files", weight: 3, run: (state) => fuzz(state, READERS, 5), slow: "fuzzes" },
  { name: "kernels", weight: 1, run: (state) => fuzz(state, KERNELS, 1), slow: "fuzzes" },
];
