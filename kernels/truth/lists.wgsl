// The lists of tokens that query blocks read, from runs: of each key block, its place in the list, its first row, and how
// many tokens follow one another from there. A workgroup writes the run of one key block in one query block's list.

@group(0) @binding(1) var<storage, read> runs: array<u32>;             // [query blocks of the chunk][key blocks][3]
@group(0) @binding(2) var<storage, read_write> lists: array<u32>;      // [query blocks of the chunk][list_stride]

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lid: u32,
) {
  let run = 3u * (group.y * groups.x + group.x);
  let place = group.y * call.list_stride + runs[run];
  for (var t = lid; t < runs[run + 2u]; t += 64u) { lists[place + t] = runs[run + 1u] + t; }
}
