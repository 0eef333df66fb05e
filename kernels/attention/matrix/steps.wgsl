// The steps of the kernel with matrices, as named blocks of its template: each stands in the text where kernel.wgsl uses it, and
// reads and writes the variables of that place.

// Queries are asked for as soon as it is known which; they become matrices later, 16 rows at a time, by way of workgroup memory,
// where channels beyond the last one are zeros. So what they take to come is shared with all that is looked up meanwhile.
//#block request_queries
//#for i in 0 .. ROW_TILES
//#for n in 0 .. Q_LOADS
  var words#{i}_#{n} = Piece();
  {
    let at = half * 32u + lane + #{64 * n}u;
    let row = min(first_row + row_group * #{16 * ROW_TILES}u + #{16 * i}u + min(at / #{K_ACROSS}u, 15u), call.seq_q - 1u);
    let piece = at % #{K_ACROSS}u;
    if (piece < #{D_PIECES}u) { words#{i}_#{n} = q[(head * call.seq_q + row) * #{D_PIECES}u + piece]; }
  }
//#end
//#end
//#end
//#block stage_queries
//#if CAUSAL
  if (lid == 0u) { found_strange = 0u; }
//#end
//#for i in 0 .. ROW_TILES
//#for n in 0 .. Q_LOADS
  {
    let at = half * 32u + lane + #{64 * n}u;
    #{Q_REST ? "if (at < " + 16 * K_ACROSS + "u)" : ""} { exchange[both + at / #{K_ACROSS}u * #{K_PITCH}u + at % #{K_ACROSS}u] = words#{i}_#{n}; }
  }
//#end
  workgroupBarrier();
//#for m in 0 .. 16 / M
//#for step in 0 .. STEPS
  let q#{i * 16 / M + m}_#{step} = subgroupMatrixLoad<Left, row_major>(&exchange, both + #{m * M * K_PITCH + step * K / 8}u, #{K_PITCH}u);
//#end
//#end
  workgroupBarrier();
//#end
//#end

// A tile of keys on its way to registers, and from there into workgroup memory; the same of values.
//#block find_keys
//#for n in 0 .. K_LOADS
      let k_from#{n} = source_row(k_tile, #{K_REST ? "min(k_row" + n + ", 31u)" : "k_row" + n}, #{DENSE ? "first_key" : "0u"});
//#end
//#end
//#block read_keys
//#for n in 0 .. K_LOADS
      k#{n} = load_k(k_from#{n}, k_piece#{n});
//#end
//#end
//#block request_keys
//#use find_keys
//#use read_keys
//#end
// The keys of the first tile of the sample, which queries are staged beside.
//#block request_first_keys
//#for n in 0 .. K_LOADS
  var k#{n} = Piece();
//#end
  {
//#if DENSE
    let k_tile = sampled_tile(min(tiles, 2u) - 1u, tiles, first_row);
//#else
    let k_tile = 0u;
//#end
//#use request_keys
  }
//#end
//#block store_keys
//#for n in 0 .. K_LOADS
      #{K_REST ? "if (k_row" + n + " < 32u)" : ""} { keys[k_buffer + #{THREADS % K_ACROSS == 0 ? "k_place + " + n * THREADS / K_ACROSS * K_PITCH + "u" : "k_row" + n + " * " + K_PITCH + "u + k_piece" + n}] = k#{n}; }
//#end
//#end
//#block find_values
//#for n in 0 .. V_LOADS
      let v_from#{n} = source_row(v_tile, #{V_REST ? "min(v_row" + n + ", 31u)" : "v_row" + n}, #{DENSE ? "first_key" : "0u"});
//#end
//#end
//#block read_values
//#for n in 0 .. V_LOADS
      v#{n} = load_v(v_from#{n}, first_piece + v_piece#{n});
//#end
//#end
//#block request_values
//#use find_values
//#use read_values
//#end
//#block store_values
//#for n in 0 .. V_LOADS
//#if CAUSAL && edge
      if (value_end(v_stored, #{V_REST ? "min(v_row" + n + ", 31u)" : "v_row" + n}) > first_position) {
        let strange = strange_part(v#{n});
        if (any(strange != Piece())) {
          is_strange = true;
          v#{n} ^= strange;
        }
      }
//#end
      #{V_REST ? "if (v_row" + n + " < 32u)" : ""} { values[v_buffer + #{THREADS % V_ACROSS == 0 ? "v_place + " + n * THREADS / V_ACROSS * V_PITCH + "u" : "v_row" + n + " * " + V_PITCH + "u + v_piece" + n}] = v#{n}; }
//#end
//#end

// One step of the first product: K channels of all rows, and of the 16 keys.
//#block multiply_keys
//#for n in 0 .. KEY_MATRICES
      {
        let columns = subgroupMatrixLoad<Right, col_major>(&keys, k_buffer_read + k_read + #{n * N * K_PITCH + step * K / 8}u, #{K_PITCH}u);
//#for i in 0 .. ROW_MATRICES
        s#{i * KEY_MATRICES + n} = #{step == 0 ? "subgroupMatrixMultiply<f32>(q" + i + "_0, columns)" : "subgroupMatrixMultiplyAccumulate(q" + i + "_" + step + ", columns, s" + (i * KEY_MATRICES + n) + ")"};
//#end
      }
//#end
//#end

// The second product: weights of all 32 keys, or, where halves work alone, of the own 16, times values; a step is K keys.
//#block add_outputs
//#for step in 0 .. (ALONE ? 16 : 32) / K
//#for i in 0 .. ROW_MATRICES
      let weights#{i}_#{step} = subgroupMatrixLoad<Left, row_major>(&exchange, #{ALONE ? "own" : "both"} + #{(step * K >> 4) * REGION + (step * K & 15) / 8 + 3 * M * i}u, 3u);
//#end
//#for j in 0 .. COLUMNS
      {
        let rows = subgroupMatrixLoad<Right, row_major>(&values, v_buffer_read + v_read + #{step * K * V_PITCH + j * N / 8}u, #{V_PITCH}u);
//#for i in 0 .. ROW_MATRICES
        o#{i}_#{j} = subgroupMatrixMultiplyAccumulate(weights#{i}_#{step}, rows, o#{i}_#{j});
//#end
      }
//#end
//#end
//#end

// Scores go to where lanes read them. The terms that are added to the scores of a lane, and the rows that see them: for the groups of 8 keys
// 0 and 1, and of these four keys each, a and b.
//#block give_scores
//#for i in 0 .. ROW_MATRICES
//#for n in 0 .. KEY_MATRICES
      subgroupMatrixStore<row_major>(&exchange, own + #{6 * M * i + n * N / 4}u, s#{i * KEY_MATRICES + n}, 6u);
//#end
//#end
//#for g in 0 .. 2
      let bias#{g}a = bias_of(tile, half * 2u + #{g}u, swap * 4u);
      let bias#{g}b = #{ONE_BIAS ? "bias" + g + "a" : "bias_of(tile, half * 2u + " + g + "u, 4u - swap * 4u)"};
//#if CAUSAL && edge
      let ends#{g}a = ends_of(tile, half * 2u + #{g}u, swap * 4u);
      let ends#{g}b = ends_of(tile, half * 2u + #{g}u, 4u - swap * 4u);
//#end
//#end
//#end

// All tiles, two phases each; then the sum of each row, and whether some row has to be walked again.
//#block walk
    var tile = 0u;
//#for edge in CAUSAL ? 0 : 1 .. 2
    for (; tile < #{edge ? "tiles" : "seen_tiles"}; tile += call.one) {
//#if !DENSE
      let is_reader = (tile & 7u) == 0u && tile + 8u < tiles && lid < #{8 * TILE_GROUPS}u;
      var entry_ahead = 0u;
      if (is_reader) { entry_ahead = list[first_group + min((tile + 8u) * #{TILE_GROUPS}u + lid, groups - 1u)]; }
//#end
//#if ALONE
      // Of two buffers one has the keys of the next tile and the other one the values of this tile; the others are free.
      let k_buffer = (tile & 1u) * #{32 * K_PITCH}u;
      let k_buffer_read = #{32 * K_PITCH}u - k_buffer;
      let v_buffer_read = (tile & 1u) * #{32 * V_PITCH}u;
      let v_buffer = #{32 * V_PITCH}u - v_buffer_read;
//#else
      let k_buffer = 0u;
      let k_buffer_read = 0u;
      let v_buffer_read = 0u;
      let v_buffer = 0u;
//#end
//#if !DENSE
      // Where the next pieces are is looked up here, so that nothing but the loads is left to do when registers are free.
      let k_tile = min(tile + 3u, last);
      let v_tile = min(tile + #{ALONE ? 2 : 1}u, last);
//#use find_keys
//#use find_values
//#end
      {
//#use give_scores
//#for step in 0 .. STEPS
//#use multiply_keys
//#for part in (step * PARTS / STEPS) >> 0 .. ((step + 1) * PARTS / STEPS) >> 0
        var w#{part} = fma(#{"bitcast<vec4f>(exchange[s" + (part >> 2) + "ab"[part & 1] + " + " + (part & 2) + "u])"}, vec4f(SCALE), bias#{part >> 1 & 1}#{"ab"[part & 1]} - vec4f(max#{part >> 2}));
//#if CAUSAL && edge
        w#{part} = select(w#{part}, vec4f(MASKED), ends#{part >> 1 & 1}#{"ab"[part & 1]} > vec4<i32>(position#{part >> 2}));
//#end
        w#{part} = exp2(w#{part});
        let h#{part} = vec2<u32>(half_pair(w#{part}.xy), half_pair(w#{part}.zw));
//#if part & 1
        let h#{part - 1}_#{part} = select(Piece(h#{part - 1}, h#{part}), Piece(h#{part}, h#{part - 1}), is_swapped);
//#end
//#end
//#end
//#for z in 0 .. LANE_ROWS
        exchange[p#{z}_at] = h#{4 * z}_#{4 * z + 1};
        exchange[p#{z}_at + 1u] = h#{4 * z + 2}_#{4 * z + 3};
        let w#{4 * z}s = (w#{4 * z} + w#{4 * z + 1}) + (w#{4 * z + 2} + w#{4 * z + 3});
        sum#{z} += (w#{4 * z}s.x + w#{4 * z}s.y) + (w#{4 * z}s.z + w#{4 * z}s.w);
//#end
      }
//#if ALONE
//#use add_outputs
      {
        let v_stored = min(tile + 1u, last);
//#use store_values
//#if DENSE
        let v_tile = min(tile + 2u, last);
//#use request_values
//#else
//#use read_values
//#end
      }
//#else
      {
        let v_stored = tile;
//#use store_values
//#if DENSE
        let v_tile = min(tile + 1u, last);
//#use request_values
//#else
//#use read_values
//#end
      }
      workgroupBarrier();
//#use add_outputs
//#end
      {
//#use store_keys
//#if DENSE
        let k_tile = min(tile + 3u, last);
//#use request_keys
//#else
//#use read_keys
//#end
      }
//#if !DENSE
      if (is_reader) { ring[((tile + 8u) & 15u) * #{TILE_GROUPS}u + lid] = item_of(entry_ahead, kv_head); }
//#end
      workgroupBarrier();
    }
//#end
//#for z in 0 .. LANE_ROWS
    shared_rows[half * #{ROWS}u + row#{z}] = sum#{z};
//#end
//#if CAUSAL
    if (is_strange) { found_strange = 1u; }
//#end
    workgroupBarrier();
//#for z in 0 .. LANE_ROWS
    sum#{z} = shared_rows[row#{z}] + shared_rows[#{ROWS}u + row#{z}];
    if (!(shared_rows[row#{z}] < LARGEST && shared_rows[#{ROWS}u + row#{z}] < LARGEST)) {
      max#{z} = select(MASKED, max#{z}, is_exact);
      again = 1u;
    }
//#end
//#end
