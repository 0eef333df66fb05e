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
        let row = #{LOAD_ROWS ? "load_row + " + n * LOAD_ROWS + "u" : "(lid + " + n * 256 + "u) / " + BUFFER_ACROSS + "u"};
        let piece = #{LOAD_ROWS ? "load_piece" : "(lid + " + n * 256 + "u) % " + BUFFER_ACROSS + "u"};
        let own = row / #{16 * COLUMN_TILES}u % #{GROUPS}u;
        let chunk = tile * #{COLUMN_TILES}u + row / 16u % #{COLUMN_TILES}u;
//#if OWN_OFFSETS
        let token = (begin + first_column(chunk, own) + row % 16u) / K_SAMPLES * K_BLOCK + #{CHUNKS == 1 ? "offset0" : "select(offset0, offset1, chunk % 2u == 1u)"};
//#else
        let token = key_token(begin + first_column(chunk, own) + row % 16u, table);
//#end
        k#{n} = key_piece(k_head, token, #{STAYS ? "piece" : "piece0 + piece"}, #{STAYS ? "0u" : "part"});
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
      staged[next + #{STAYS ? 0 : 128 * PITCH}u + (load_row + #{n * LOAD_ROWS}u) * #{PITCH}u + load_piece] = k#{n};
//#else
      {
        let row = (lid + #{n * 256}u) / #{BUFFER_ACROSS}u;
        if (row < #{KEY_ROWS}u) { staged[next + row * #{PITCH}u + (lid + #{n * 256}u) % #{BUFFER_ACROSS}u] = k#{n}; }
      }
//#end
//#end
    }
//#end

// Scores of the next tile, whose keys are in the other buffer.
//#block multiply
//#for step in 0 .. STEPS
    {
      let columns = subgroupMatrixLoad<Right, col_major>(&staged, next + neighbour * #{16 * PITCH}u + #{2 * step}u, #{PITCH}u);
//#for i in 0 .. ROW_TILES
      s#{i}_0 = #{step == 0 ? "subgroupMatrixMultiply<f32>(q" + i + "_0, columns)" : "subgroupMatrixMultiplyAccumulate(q" + i + "_" + step + ", columns, s" + i + "_0)"};
//#end
    }
//#end
//#end

// 32 rows of 16 columns go to lanes.
//#block give_scores
//#for i in 0 .. 2
    subgroupMatrixStore<row_major>(&staged, exchange + #{96 * i}u, s#{2 * z + i}_#{STAYS ? 0 : j}, 6u);
//#end
    let given#{z}a = bitcast<vec4f>(staged[a_at]);
    let given#{z}b = bitcast<vec4f>(staged[b_at]);
    let given#{z}c = bitcast<vec4f>(staged[a_at + 2u]);
    let given#{z}d = bitcast<vec4f>(staged[b_at + 2u]);
//#end

// 16 columns of a row become one number, or, of narrower key blocks, several.
//#block reduce_chunk
        let row = row_group * #{16 * ROW_TILES}u + #{32 * z}u + lane;
        let a0 = given#{z}a;
        let b0 = given#{z}b;
        let a1 = given#{z}c;
        let b1 = given#{z}d;
//#if BLOCK_COLUMNS >= 16
        var value: f32;
//#if LOG_SUM
        if (column + 16u <= seen#{z}) {
          value = reduce4(a0 * FACTOR, b0 * FACTOR, a1 * FACTOR, b1 * FACTOR);
//#else
        if (FACTOR >= 0.0 && column + 16u <= seen#{z}) {
          value = FACTOR * reduce4(a0, b0, a1, b1);
//#end
        } else {
          value = reduce4(shown(a0, column + 4u * swap, seen#{z}), shown(b0, column + 4u - 4u * swap, seen#{z}),
            shown(a1, column + 8u + 4u * swap, seen#{z}), shown(b1, column + 12u - 4u * swap, seen#{z}));
        }
//#if CHUNKS == 1
        block#{z} = value;
//#else
        block#{z} = select(larger(block#{z}, value), value, chunk % #{CHUNKS}u == 0u);
        if (chunk % #{CHUNKS}u == #{CHUNKS - 1}u)
//#end
        {
          let block = column / #{BLOCK_COLUMNS}u;
          if (block < N) { scores[(out + block) * 128u + row] = block#{z}; }
        }
//#else
        let is_swapped = swap == 1u;
        let x0 = shown(select(a0, b0, is_swapped), column, seen#{z});
        let x1 = shown(select(b0, a0, is_swapped), column + 4u, seen#{z});
        let x2 = shown(select(a1, b1, is_swapped), column + 8u, seen#{z});
        let x3 = shown(select(b1, a1, is_swapped), column + 12u, seen#{z});
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
