// The end of a tile of scores.wgsl: its scores become one number for each row and key block, the largest or the
// log-sum-exp, first over the four columns of an invocation in its registers, then, through workgroup memory, over the
// invocations that share a key block. Four rows are reduced at a time, by vector instructions.

// One number for several columns, for four rows at a time.
fn combine2(a: vec4f, b: vec4f) -> vec4f {
  let largest = max(a, b);
  if (!LOG_SUM) { return largest; }
  return largest + log2(exp2(a - largest) + exp2(b - largest));
}

fn combine4(a: vec4f, b: vec4f, c: vec4f, d: vec4f) -> vec4f {
  let largest = max(max(a, b), max(c, d));
  if (!LOG_SUM) { return largest; }
  return largest + log2((exp2(a - largest) + exp2(b - largest)) + (exp2(c - largest) + exp2(d - largest)));
}

// Writes four rows' numbers of a key block.
fn store(out: u32, block: u32, quad: u32, value: vec4f) {
  if (block < N) { scores[(out + block) * 32u + quad] = value; }
}

// Scores of four rows and one column.
fn score(sum: vec4f, column: u32, seen: vec4u) -> vec4f {
  return select(vec4f(HIDDEN), sum * FACTOR, vec4u(column) < seen);
}

// How many columns four rows see, from `row` on.
fn seen_by(row: u32) -> vec4u {
  let rows = vec4u(row) + vec4u(0u, 1u, 2u, 3u);
  var seen = vec4u(COLUMNS);
  if (CAUSAL) { seen = vec4u(clamp(vec4i(rows) + vec4i(SHIFT + 1), vec4i(), vec4i(i32(COLUMNS)))); }
  return select(vec4u(), seen, rows < vec4u(ROWS));
}

// The sums of a tile, sum0_0 … sum7_1, on their way to memory.
//#block end_of_tile
    if (BLOCK_COLUMNS >= 4u) { workgroupBarrier(); }
//#for h in 0 .. 2
    {
      let seen = seen_by(first_row + #{64 * h}u + ty * 4u);
//#for g in 0 .. 2
      {
        let column = tile * 128u + #{64 * g}u + tx * 4u;
//#for c in 0 .. 4
        let c#{c} = score(sum#{4 * g + c}_#{h}, column + #{c}u, seen);
//#end
        if (BLOCK_COLUMNS >= 4u) {
          k_staged[#{h}][tx][#{g}][ty] = to_piece(combine4(c0, c1, c2, c3));
        } else if (BLOCK_COLUMNS == 2u) {
          store(out, column / 2u, #{16 * h}u + ty, combine2(c0, c1));
          store(out, column / 2u + 1u, #{16 * h}u + ty, combine2(c2, c3));
        } else {
//#for c in 0 .. 4
          store(out, column + #{c}u, #{16 * h}u + ty, c#{c});
//#end
        }
      }
//#end
    }
//#end
    if (BLOCK_COLUMNS >= 4u) {
      workgroupBarrier();
      let quads = BLOCK_COLUMNS / 4u;
      let block = tile * (128u / BLOCK_COLUMNS);
      for (var job = lid; job < 32u * 128u / BLOCK_COLUMNS; job += 256u) {
        let row = job % 32u;
        let first = job / 32u * quads;
        var value = from_piece(k_staged[row / 16u][first % 16u][first / 16u][row % 16u]);
        for (var i = 1u; i < quads; i++) {
          let at = first + i;
          value = combine2(value, from_piece(k_staged[row / 16u][at % 16u][at / 16u][row % 16u]));
        }
        store(out, block + job / 32u, row, value);
      }
      workgroupBarrier();
    }
//#end
