/**
 * Matrix units where there are none: an implementation of WebGPU that turns the text of kernels with matrices into plain
 * WGSL, so that they run on any device, slowly. A factor is the place in memory from which it was loaded; queries, which stay in
 * registers, are copied to places of their own. Sums are spread over the 32 lanes of a subgroup. All that the kernel keeps in
 * workgroup memory lies in a storage buffer, since software devices have too little of it.
 *
 * @module
 */
import type { MatrixShape } from "../../kernels/device/capabilities.ts";
import { MATRIX_SHAPES, matrixName } from "../../kernels/device/probe/matrices.ts";
import { ALL_PARTS, TEST_SEED } from "./seed.ts";

/** Where matrices meet: workgroups at once times what each needs. */
const MEMORY_BYTES = 1 << 26;
/** The binding of that memory; kernels use those before it. */
const BINDING = 9;
/** Subgroups of a workgroup, at most. */
const SUBGROUPS = 8;

/** The sizes of a product. */
type Sizes = Pick<MatrixShape, "M" | "N" | "K">;

/** Numbers of each lane, and lanes of a row: matrices of sums lie row by row in the lanes. */
const each = ({ M, N }: Sizes) => M * N / 32, across = ({ M }: Sizes) => 32 / M;

/** The lines for the numbers of a lane. */
const lines = (count: number, line: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => line(i)).join("\n");

/** Products of these sizes; a word of memory has two halves, a piece four words. */
const prelude = (sizes: Sizes) => `
struct Factor { at: u32, pitch: u32 } // words before it, words from row to row, or from column to column
alias Sums = array<f32, ${each(sizes)}>;
@group(0) @binding(${BINDING}) var<storage, read_write> memory: array<vec4<u32>>;
var<private> emulated_lane: u32;
var<private> emulated_subgroup: u32;
var<private> base: u32;
var<private> words: u32; // ${sizes.K / 2}, which compilers do not know: they leave loops alone
fn meet() { workgroupBarrier(); storageBarrier(); }
fn word(at: u32) -> u32 { return memory[at >> 2u][at & 3u]; }
fn load(at: u32, pitch: u32) -> Factor { return Factor(4u * at, 4u * pitch); }
fn keep(given: Factor, place: u32) -> Factor {
  let row = emulated_lane / ${sizes.K / 8}u;
  let piece = emulated_lane % ${sizes.K / 8}u;
  if (row < ${sizes.M}u) { memory[place + emulated_lane] = memory[(given.at + row * given.pitch) / 4u + piece]; }
  return Factor(4u * place, ${sizes.K / 2}u);
}
fn store_sums(at: u32, sums: Sums, pitch: u32) {
  let to = 4u * (at + emulated_lane / ${across(sizes)}u * pitch) + emulated_lane % ${across(sizes)}u * ${
  each(sizes)
}u;
${lines(each(sizes), (i) => `  memory[(to + ${i}u) >> 2u][(to + ${i}u) & 3u] = bitcast<u32>(sums[${i}]);`)}
}
fn multiply_by_rows(a: Factor, b: Factor, c: Sums) -> Sums {
  var sums = c;
  let left = a.at + emulated_lane / ${across(sizes)}u * a.pitch;
  let right = b.at + emulated_lane % ${across(sizes)}u * ${each(sizes) / 2}u;
  for (var i = 0u; i < words; i++) {
    let x = unpack2x16float(word(left + i));
    let first = right + 2u * i * b.pitch;
${
  lines(each(sizes) / 2, (i) => `
    let y${i} = unpack2x16float(word(first + ${i}u));
    let z${i} = unpack2x16float(word(first + b.pitch + ${i}u));
    sums[${2 * i}] += x.x * y${i}.x + x.y * z${i}.x;
    sums[${2 * i + 1}] += x.x * y${i}.y + x.y * z${i}.y;`)
}
  }
  return sums;
}
fn multiply_by_columns(a: Factor, b: Factor, c: Sums) -> Sums {
  var sums = c;
  let left = a.at + emulated_lane / ${across(sizes)}u * a.pitch;
  let right = b.at + emulated_lane % ${across(sizes)}u * ${each(sizes)}u * b.pitch;
  for (var i = 0u; i < words; i++) {
    let x = unpack2x16float(word(left + i));
${lines(each(sizes), (i) => `    sums[${i}] += dot(x, unpack2x16float(word(right + ${i}u * b.pitch + i)));`)}
  }
  return sums;
}
`;

/** The sizes that a text is made for. */
function sizesOf(code: string): Sizes {
  const [, K, M, N] = /_left<f16, (\d+), (\d+)>[^]*?_right<f16, (\d+), /.exec(code)!.map(Number);
  return { M, N, K };
}

/**
 * The text of a kernel with matrices as plain WGSL.
 *
 * @param code the text
 */
export function withoutMatrices(code: string): string {
  const sizes = sizesOf(code), places = new Map<string, number>();
  let size = 0;
  let text = code.replaceAll(/^enable (subgroups|chromium_\w+);\n|^diagnostic\(.*\);\n/gm, "")
    .replaceAll(/^alias (Left|Right|Sums) = .*;\n/gm, "")
    .replaceAll(/^var<workgroup> (\w+): array<(?:Piece|vec4<u32>), (\d+)>;.*$/gm, (_, name, length) => {
      places.set(name, size);
      size += Number(length);
      return "";
    });
  const columns = new Set(
    [...text.matchAll(/let (\w+) = subgroupMatrixLoad<Right, col_major>/g)].map(([, name]) => name),
  );
  for (const [name, place] of places) {
    text = text.replaceAll(new RegExp(`\\b${name}\\[`, "g"), `memory[base + ${place}u + `)
      .replaceAll(
        new RegExp(`subgroupMatrix(?:Load|Store)<[^>]+>\\(&${name}, `, "g"),
        (call) => `${call.startsWith("subgroupMatrixLoad") ? "load" : "store_sums"}(base + ${place}u + `,
      );
  }
  const product = (a: string, b: string, sums: string) =>
    `multiply_by_${columns.has(b) ? "columns" : "rows"}(${a}, ${b}, ${sums})`;
  const room = sizes.M * sizes.K / 8, kept = new Map<string, number>();
  text = text.replaceAll(/subgroupMatrixMultiply<f32>\((\w+), (\w+)\)/g, (_, a, b) => product(a, b, "Sums()"))
    .replaceAll(
      /subgroupMatrixMultiplyAccumulate\((\w+), (\w+), (\w+)\)/g,
      (_, a, b, sums) => product(a, b, sums),
    )
    .replaceAll(/subgroupBroadcastFirst\((\w+)\)/g, "$1")
    .replaceAll("workgroupBarrier()", "meet()")
    // Lanes of a subgroup read what others of it have stored, with no barrier in the text.
    .replaceAll(/(?:^ *store_sums\(.*\n)+/gm, "meet();\n$&meet();\n")
    .replaceAll(/(?:^ *let (?:weights\d+_\d+|again) = load\(.*\n)+/gm, "meet();\n$&")
    .replaceAll(/let (q\d+_\d+) = (load\(.*\));/g, (_, name, call) => {
      kept.set(name, kept.size * room);
      return `let ${name} = keep(${call}, own_places + ${kept.get(name)}u);`;
    })
    .replaceAll("bitcast<u32>(vec2<f16>(pair))", "pack2x16float(pair)");
  return begin(text, { size, own: kept.size * room, sizes }).replace(
    /^(enable f16;\n)?/,
    (enable) => enable + prelude(sizes),
  );
}

/** Puts what subgroups know of themselves at the beginning of `main`. */
function begin(
  text: string,
  { size, own: places, sizes }: { readonly size: number; readonly own: number; readonly sizes: Sizes },
): string {
  const [head, body] = text.split("fn main(");
  const end = body.indexOf(") {") + 3, parameters = body.slice(0, end);
  const names = (name: string) => new RegExp(`@builtin\\(${name}\\) (\\w+): `).exec(parameters)?.[1];
  const id = names("subgroup_id")!, lane = names("subgroup_invocation_id")!;
  const given = parameters.replace(/@builtin\(subgroup_id\) \w+: u32,?\s*/, "")
    .replace(/@builtin\(subgroup_invocation_id\) \w+: u32,?/, "");
  const own =
    "@builtin(local_invocation_index) emulated_index: u32, @builtin(workgroup_id) emulated_group: vec3u, " +
    "@builtin(num_workgroups) emulated_grid: vec3u) {";
  const rest = given.replace(/@builtin\(local_invocation_index\) (\w+): u32,?\s*/, "")
    .replace(/@builtin\(workgroup_id\) (\w+): vec3u,?\s*/, "")
    .replace(/@builtin\(num_workgroups\) (\w+): vec3u,?\s*/, "").replace(") {", "").trim();
  const again = [["local_invocation_index", "emulated_index"], ["workgroup_id", "emulated_group"], [
    "num_workgroups",
    "emulated_grid",
  ]].flatMap(([builtin, name]) => names(builtin) ? [`  let ${names(builtin)} = ${name};`] : []);
  return `${head}fn main(${rest}${rest ? ", " : ""}${own}
  let ${lane} = emulated_index & 31u;
  let ${id} = emulated_index >> 5u;
${again.join("\n")}
  emulated_lane = ${lane};
  emulated_subgroup = ${id};
  words = min(arrayLength(&memory), ${sizes.K / 2}u);
  base = (emulated_group.x + emulated_grid.x * (emulated_group.y + emulated_grid.y * emulated_group.z)) * ${
    size + SUBGROUPS * places
  }u;
  let own_places = base + ${size}u + ${id} * ${places}u;
${body.slice(end)}`;
}

/** Passes everything on to an object of the implementation, but for some of its members. */
function withMembers<T extends object>(object: T, members: Readonly<Record<string, unknown>>): T {
  return new Proxy(object, {
    get(target, name) {
      if (typeof name === "string" && Object.hasOwn(members, name)) return members[name];
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
  });
}

/** A device on which kernels with matrices run as plain WGSL. */
function emulatedDevice(
  device: GPUDevice,
  { room, change }: {
    readonly room: Readonly<Record<string, number>>;
    readonly change: (code: string) => string;
  },
): GPUDevice {
  const modules = new WeakSet<object>(), layouts = new WeakSet<object>();
  const memory = device.createBuffer({
    label: "matrices",
    size: MEMORY_BYTES,
    usage: GPUBufferUsage.STORAGE,
  });
  const watched = (pipeline: GPUComputePipeline, isEmulated: boolean) => {
    if (!isEmulated) return pipeline;
    const ask = pipeline.getBindGroupLayout.bind(pipeline);
    pipeline.getBindGroupLayout = (index) => {
      const layout = ask(index);
      layouts.add(layout);
      return layout;
    };
    return pipeline;
  };
  return withMembers(device, {
    limits: withMembers(device.limits, room),
    createShaderModule: (given: GPUShaderModuleDescriptor) => {
      const isEmulated = given.code.includes("chromium_experimental_subgroup_matrix");
      const module = device.createShaderModule(
        isEmulated ? { ...given, code: change(withoutMatrices(given.code)) } : given,
      );
      if (isEmulated) modules.add(module);
      return module;
    },
    createComputePipelineAsync: async (given: GPUComputePipelineDescriptor) =>
      watched(await device.createComputePipelineAsync(given), modules.has(given.compute.module)),
    createBindGroup: (given: GPUBindGroupDescriptor) => {
      const own = layouts.has(given.layout) ? [{ binding: BINDING, resource: { buffer: memory } }] : [];
      return device.createBindGroup({ ...given, entries: [...given.entries, ...own] });
    },
    destroy: () => {
      memory.destroy();
      device.destroy();
    },
  });
}

/**
 * The runtime's WebGPU with matrix units that are emulated.
 *
 * @param products those that its adapter lists; default the largest that kernels can use
 * @param options `change`: plants a mistake into the plain text of a kernel with matrices
 */
export function emulatedMatrices(
  products: readonly MatrixShape[] = [MATRIX_SHAPES[0]],
  { change = (code) => code }: { readonly change?: (code: string) => string } = {},
): GPU {
  return withMembers(navigator.gpu, {
    requestAdapter: async (options?: GPURequestAdapterOptions) => {
      const adapter = await navigator.gpu.requestAdapter(options);
      if (adapter === null) return null;
      // what kernels keep in workgroup memory lies in a buffer here, so that there is room for all of it
      const room = { maxComputeWorkgroupStorageSize: 49152 };
      const told = {
        subgroupMatrixConfigs: products.map(({ component, result, ...sizes }) => (
          { ...sizes, componentType: component, resultComponentType: result }
        )),
        subgroupMinSize: 32,
        subgroupMaxSize: 32,
        backend: "vulkan",
      };
      return withMembers(adapter, {
        info: withMembers(adapter.info, told),
        limits: withMembers(adapter.limits, room),
        requestDevice: async (wanted: GPUDeviceDescriptor) => {
          const { maxComputeWorkgroupStorageSize } = adapter.limits;
          const requiredLimits = { ...wanted.requiredLimits, maxComputeWorkgroupStorageSize };
          return emulatedDevice(await adapter.requestDevice({ ...wanted, requiredLimits }), { room, change });
        },
      });
    },
  });
}

/** A product that a test runs with. */
export interface EmulatedProduct {
  readonly product: MatrixShape;
  /** Words for the test's name: its sizes, where the test runs with all. */
  readonly by: string;
}

/**
 * The products that a test of kernels with matrices runs with: one that the commit draws, in half of all cases the largest. With
 * PSA_LONG=1, or PSA_WEBGPU=emulated (`deno task test:matrices`), all.
 *
 * @param place which of the tests it is: their products differ
 * @param drawn those that a commit draws from
 */
export function emulatedProducts(place: number, drawn = MATRIX_SHAPES): readonly EmulatedProduct[] {
  if (ALL_PARTS || Deno.env.get("PSA_WEBGPU")?.startsWith("emulated")) {
    return MATRIX_SHAPES.map((product) => ({ product, by: `, by ${matrixName(product)}` }));
  }
  const others = drawn.length - 1, at = ((TEST_SEED >>> 4) + place) % (2 * others);
  return [{ product: drawn[at < others ? 0 : at - others + 1], by: "" }];
}
