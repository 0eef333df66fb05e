/**
 * Matrix units where there are none: an implementation of WebGPU that turns the text of kernels with matrices into plain
 * WGSL, so that they run on any device, slowly. Matrices are spread over 32 invocations, 8 numbers each, and meet in a
 * storage buffer; so does what the kernel keeps in workgroup memory, which software devices have too little of.
 *
 * @module
 */

/** Where matrices meet: workgroups at once times what each needs. */
const MEMORY_BYTES = 1 << 26;
/** The binding of that memory; kernels use those before it. */
const BINDING = 9;
/** Pieces of 16 bytes in which the subgroups' factors meet. */
const SCRATCH_PIECES = 8 * 128;

const PRELUDE = `
alias Left = mat2x4<f32>;
alias Right = mat2x4<f32>;
alias Sums = mat2x4<f32>;
@group(0) @binding(${BINDING}) var<storage, read_write> memory: array<vec4<u32>>;
var<private> emulated_lane: u32;
var<private> emulated_subgroup: u32;
var<private> base: u32;
var<private> edge: u32; // 16, which compilers do not know: they leave loops alone
fn meet() { workgroupBarrier(); storageBarrier(); }
fn load_row_major(at: u32, pitch: u32) -> mat2x4<f32> {
  let piece = memory[at + (emulated_lane >> 1u) * pitch + (emulated_lane & 1u)];
  return mat2x4<f32>(vec4f(unpack2x16float(piece.x), unpack2x16float(piece.y)), vec4f(unpack2x16float(piece.z), unpack2x16float(piece.w)));
}
fn half_at(place: u32, row: u32) -> f32 { return unpack2x16float(memory[place + (row >> 3u)][(row & 7u) >> 1u])[row & 1u]; }
fn load_col_major(at: u32, pitch: u32) -> mat2x4<f32> {
  let row = emulated_lane >> 1u;
  let first = at + (emulated_lane & 1u) * 8u * pitch;
  return mat2x4<f32>(
    vec4f(half_at(first, row), half_at(first + pitch, row), half_at(first + 2u * pitch, row), half_at(first + 3u * pitch, row)),
    vec4f(half_at(first + 4u * pitch, row), half_at(first + 5u * pitch, row), half_at(first + 6u * pitch, row), half_at(first + 7u * pitch, row)));
}
fn store_sums(at: u32, m: mat2x4<f32>, pitch: u32) {
  meet();
  let first = at + (emulated_lane >> 1u) * pitch + (emulated_lane & 1u) * 2u;
  memory[first] = bitcast<vec4<u32>>(m[0]);
  memory[first + 1u] = bitcast<vec4<u32>>(m[1]);
  meet();
}
fn multiply(a: mat2x4<f32>, b: mat2x4<f32>, c: mat2x4<f32>) -> mat2x4<f32> {
  let own = base + SCRATCH + emulated_subgroup * 128u;
  memory[own + emulated_lane * 2u] = bitcast<vec4<u32>>(a[0]);
  memory[own + emulated_lane * 2u + 1u] = bitcast<vec4<u32>>(a[1]);
  memory[own + 64u + emulated_lane * 2u] = bitcast<vec4<u32>>(b[0]);
  memory[own + 64u + emulated_lane * 2u + 1u] = bitcast<vec4<u32>>(b[1]);
  meet();
  var sums = c;
  for (var i = 0u; i < edge; i++) {
    let factor = bitcast<f32>(memory[own + (emulated_lane >> 1u) * 4u + (i >> 2u)][i & 3u]);
    sums[0] += factor * bitcast<vec4f>(memory[own + 64u + i * 4u + (emulated_lane & 1u) * 2u]);
    sums[1] += factor * bitcast<vec4f>(memory[own + 64u + i * 4u + (emulated_lane & 1u) * 2u + 1u]);
  }
  meet();
  return sums;
}
`;

const LOAD_QUERIES = `
fn load_q(at: u32, pitch: u32) -> mat2x4<f32> {
  let piece = q[at + (emulated_lane >> 1u) * pitch + (emulated_lane & 1u)];
  return mat2x4<f32>(vec4f(unpack2x16float(piece.x), unpack2x16float(piece.y)), vec4f(unpack2x16float(piece.z), unpack2x16float(piece.w)));
}
`;

/**
 * The text of a kernel with matrices as plain WGSL.
 *
 * @param code the text
 */
export function withoutMatrices(code: string): string {
  const places = new Map<string, number>();
  let size = 0;
  let text = code.replaceAll(/^enable (subgroups|chromium_\w+);\n|^diagnostic\(.*\);\n/gm, "")
    .replaceAll(/^alias (Left|Right|Sums) = .*;\n/gm, "")
    .replaceAll(/^var<workgroup> (\w+): array<(?:Piece|vec4<u32>), (\d+)>;.*$/gm, (_, name, length) => {
      places.set(name, size);
      size += Number(length);
      return "";
    });
  for (const [name, place] of places) {
    text = text.replaceAll(new RegExp(`\\b${name}\\[`, "g"), `memory[base + ${place}u + `)
      .replaceAll(
        new RegExp(`subgroupMatrixLoad<\\w+, (\\w+)>\\(&${name}, `, "g"),
        `load_$1(base + ${place}u + `,
      )
      .replaceAll(
        new RegExp(`subgroupMatrixStore<row_major>\\(&${name}, `, "g"),
        `store_sums(base + ${place}u + `,
      );
  }
  text = text.replaceAll("subgroupMatrixLoad<Left, row_major>(&q, ", "load_q(")
    .replaceAll(/subgroupMatrixMultiply<f32>\((\w+), (\w+)\)/g, "multiply($1, $2, Sums())")
    .replaceAll("subgroupMatrixMultiplyAccumulate(", "multiply(")
    .replaceAll(/subgroupBroadcastFirst\((\w+)\)/g, "$1")
    .replaceAll("workgroupBarrier()", "meet()")
    .replaceAll(/let (weights\d_\d|again) = load_row_major/g, "meet();\n$&") // lanes of a subgroup have stored them
    .replaceAll("bitcast<u32>(vec2<f16>(pair))", "pack2x16float(pair)");
  return begin(text, size).replace(
    /^(enable f16;\n)?/,
    (enable) =>
      enable + PRELUDE.replaceAll("SCRATCH", `${size}u`) + (text.includes("load_q(") ? LOAD_QUERIES : ""),
  );
}

/** Puts what subgroups know of themselves at the beginning of `main`. */
function begin(text: string, size: number): string {
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
  edge = min(arrayLength(&memory), 16u);
  base = (emulated_group.x + emulated_grid.x * (emulated_group.y + emulated_grid.y * emulated_group.z)) * ${
    size + SCRATCH_PIECES
  }u;
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
function emulatedDevice(device: GPUDevice, room: Readonly<Record<string, number>>): GPUDevice {
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
        isEmulated ? { ...given, code: withoutMatrices(given.code) } : given,
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

/** The product that is emulated, as adapters list it. */
export const EMULATED = { M: 16, N: 16, K: 16, componentType: "f16", resultComponentType: "f32" };

/**
 * The runtime's WebGPU with matrix units that are emulated.
 *
 * @param configs the products that its adapter lists; default the one that is emulated
 */
export function emulatedMatrices(configs: readonly typeof EMULATED[] = [EMULATED]): GPU {
  return withMembers(navigator.gpu, {
    requestAdapter: async (options?: GPURequestAdapterOptions) => {
      const adapter = await navigator.gpu.requestAdapter(options);
      if (adapter === null) return null;
      // what kernels keep in workgroup memory lies in a buffer here, so that there is room for all of it
      const room = { maxComputeWorkgroupStorageSize: 49152 };
      const told = {
        subgroupMatrixConfigs: configs,
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
          return emulatedDevice(await adapter.requestDevice({ ...wanted, requiredLimits }), room);
        },
      });
    },
  });
}
