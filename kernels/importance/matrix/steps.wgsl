// The steps of the kernel of scores with matrices, as named blocks of its template: each stands in the text where kernel.wgsl uses
// it, and reads and writes the variables of that place.

// The pieces of a step that an invocation loads.
//#block request
    {
//#if !STAYS
      let part = step / #{STEPS_OF_TOKEN}u;
      let piece0 = step % #{STEPS_OF_TOKEN}u * 4u;
//#for n in 0 .. Q_LOADS
      q#{n} = query_piece(q_head, q_token#{n}, piece0 + load_piece, part);
//#end
//#end
//#for n in 0 .. K_LOADS
      {
        let row = #{LOAD_ROWS ? "load_row + " + n * LOAD_ROWS + "u" : "(lid + " + n * THREADS + "u) / " + BUFFER_ACROSS + "u"};
        let piece = #{LOAD_ROWS ? "load_piece" : "(lid + " + n * THREADS + "u) % " + BUFFER_ACROSS + "u"};
        let own = row / #{16 * COLUMN_TILES}u % #{GROUPS}u;
        let chunk = tile * #{COLUMN_TILES}u + row / 16u % #{COLUMN_TILES}u;
//#if OWN_OFFSETS
        let token = (begin + first_column(chunk, own) + row % 16u) / K_SAMPLES * K_BLOCK + #{CHUNKS == 1 ? "offset0_" + n % OFFSET_ROWS : "select(offset0_" + n % OFFSET_ROWS + ", offset1_" + n % OFFSET_ROWS + ", chunk % 2u == 1u)"};
//#else
        let token = key_token(begin + first_column(chunk, own) + row % 16u, table);
//#end
        k#{set}_#{n} = key_piece(k_head, token, #{STAYS ? "piece" : "piece0 + piece"}, #{STAYS ? "0u" : "part"});
      }
//#end
    }
//#end
//#block keep
    {
//#for n in 0 .. Q_LOADS
      staged[next + (load_row + #{n * LOAD_ROWS}u) * #{PITCH}u + load_piece] = q#{n};
//#end
//#for n in 0 .. K_LOADS
//#if LOAD_ROWS
      staged[next + #{STAYS ? 0 : 128 * PITCH}u + (load_row + #{n * LOAD_ROWS}u) * #{PITCH}u + load_piece] = k#{set}_#{n};
//#else
      {
        let row = (lid + #{n * THREADS}u) / #{BUFFER_ACROSS}u;
        if (row < #{KEY_ROWS}u) { staged[next + row * #{PITCH}u + (lid + #{n * THREADS}u) % #{BUFFER_ACROSS}u] = k#{set}_#{n}; }
      }
//#end
//#end
    }
//#end

// Scores of the next tile, whose keys are in the other buffer.
//#block multiply
//#for step in 0 .. STEPS
//#for n in 0 .. 16 / N
    {
      let columns = subgroupMatrixLoad<Right, col_major>(&staged, next + neighbour * #{16 * PITCH}u + #{n * N * PITCH + step * K / 8}u, #{PITCH}u);
//#for i in 0 .. 32 / M
      s#{i}_#{n} = #{step == 0 ? "subgroupMatrixMultiply<f32>(q" + i + "_0, columns)" : "subgroupMatrixMultiplyAccumulate(q" + i + "_" + step + ", columns, s" + i + "_" + n + ")"};
//#end
    }
//#end
//#end
//#end

// 32 rows of 16 columns go to lanes.
//#block give_scores
//#for i in 0 .. 32 / M
//#for n in 0 .. 16 / N
    subgroupMatrixStore<row_major>(&staged, exchange + #{6 * M * i + n * N / 4}u, s#{i}_#{(STAYS ? 0 : j * 16 / N) + n}, 6u);
//#end
//#end
    let a0 = bitcast<vec4f>(staged[a_at]);
    let b0 = bitcast<vec4f>(staged[b_at]);
    let a1 = bitcast<vec4f>(staged[a_at + 2u]);
    let b1 = bitcast<vec4f>(staged[b_at + 2u]);
//#end

// 16 columns of a row become one number, or, of narrower key blocks, several.
//#block reduce_chunk
        let row = row_group * 32u + lane;
//#if BLOCK_COLUMNS >= 16
        var value: f32;
        let may_scale_last = #{LOG_SUM ? "true" : "FACTOR >= 0.0"};
        if (may_scale_last && !CAUSAL && COLUMNS % 16u == 0u) { // a row sees all of them or none: lanes go the same way
          value = select(HIDDEN, #{LOG_SUM ? "" : "FACTOR * "}reduce4(#{LOG_SUM ? "a0 * FACTOR, b0 * FACTOR, a1 * FACTOR, b1 * FACTOR" : "a0, b0, a1, b1"}), column < seen);
        } else if (may_scale_last && column + 16u <= seen) {
          value = #{LOG_SUM ? "" : "FACTOR * "}reduce4(#{LOG_SUM ? "a0 * FACTOR, b0 * FACTOR, a1 * FACTOR, b1 * FACTOR" : "a0, b0, a1, b1"});
        } else {
          value = reduce4(shown(a0, column + 4u * swap, seen), shown(b0, column + 4u - 4u * swap, seen),
            shown(a1, column + 8u + 4u * swap, seen), shown(b1, column + 12u - 4u * swap, seen));
        }
//#if CHUNKS == 1
        best = value;
//#else
        best = select(larger(best, value), value, chunk % #{CHUNKS}u == 0u);
        if (chunk % #{CHUNKS}u == #{CHUNKS - 1}u)
//#end
        {
          let block = column / #{BLOCK_COLUMNS}u;
          if (block < N) { scores[(out + block) * 128u + row] = best; }
        }
//#else
        let is_swapped = swap == 1u;
        let x0 = shown(select(a0, b0, is_swapped), column, seen);
        let x1 = shown(select(b0, a0, is_swapped), column + 4u, seen);
        let x2 = shown(select(a1, b1, is_swapped), column + 8u, seen);
        let x3 = shown(select(b1, a1, is_swapped), column + 12u, seen);
        let block = column / #{BLOCK_COLUMNS}u;
//#if BLOCK_COLUMNS == 8
        store(out, block, row, reduce2(x0, x1));
        store(out, block + 1u, row, reduce2(x2, x3));
//#else
//#for p in 0 .. 4
//#if BLOCK_COLUMNS == 4
        store(out, block + #{p}u, row, reduce(x#{p}));
//#end
//#if BLOCK_COLUMNS == 2
        store(out, block + #{2 * p}u, row, larger(x#{p}.x, x#{p}.y));
        store(out, block + #{2 * p + 1}u, row, larger(x#{p}.z, x#{p}.w));
//#end
//#if BLOCK_COLUMNS == 1
//#for c in 0 .. 4
        store(out, block + #{4 * p + c}u, row, x#{p}.#{"xyzw"[c]});
//#end
//#end
//#end
//#end
//#end
//#end
