// The output of the kernel with matrix units: a named block of the template, which kernel.wgsl inserts.

// Weighted sums of values divided by sums of weights: the numbers that are written.
//#block output
//#for z in 0 .. LANE_ROWS
  let is_empty#{z} = sum#{z} == 0.0;
  shared_rows[half * #{ROWS}u + row#{z}] = select(1.0 / sum#{z}, 0.0, is_empty#{z});
  if (first_row + row#{z} < row_end && half == 0u && column_part == 0u) {
//#if SHARED > 0
    if (is_shared) { partials[(place * #{BM}u + row#{z}) * #{PARTIAL_PITCH}u + #{PARTIAL_PITCH - 1}u] = vec4f(max#{z}, sum#{z}, 0.0, 0.0); }
//#end
//#if SHARED < 2
    #{SHARED > 0 ? "if (!is_shared) " : ""}{ lse[head * call.seq_q + first_row + row#{z}] = select((max#{z} + log2(sum#{z})) * 0.6931471805599453, call.minus_infinity, is_empty#{z}); }
//#end
  }
//#end
  workgroupBarrier();
  // Two neighbouring lanes write 16 columns of a row, 32 bytes together: a lane that wrote them alone would do so in halves.
//#for h in 0 .. ROW_TILES
  let local#{h} = row_group * #{16 * ROW_TILES}u + #{16 * h}u + (lane >> 1u);
  let inverse#{h} = shared_rows[half * #{ROWS}u + local#{h}];
  let out#{h}_at = own + (#{16 * h}u + (lane >> 1u)) * 6u + 2u * (lane & 1u);
//#end
//#for j in 0 .. COLUMNS * N / 16
//#for i in 0 .. ROW_MATRICES
//#for n in 0 .. 16 / N
  subgroupMatrixStore<row_major>(&exchange, own + #{6 * M * i + n * N / 4}u, o#{i}_#{j * 16 / N + n}, 6u);
//#end
//#end
//#if ALONE
  // Halves have sums of their own keys: they take turns in adding up those of both.
  workgroupBarrier();
  if (half == #{j & 1}u) {
//#end
//#for h in 0 .. ROW_TILES
  {
//#if ALONE
    let others = #{j & 1 ? "out" + h + "_at - " + REGION + "u" : "out" + h + "_at + " + REGION + "u"};
    var low = (bitcast<vec4f>(exchange[out#{h}_at]) + bitcast<vec4f>(exchange[others])) * inverse#{h};
    var high = (bitcast<vec4f>(exchange[out#{h}_at + 1u]) + bitcast<vec4f>(exchange[others + 1u])) * inverse#{h};
//#else
    var low = bitcast<vec4f>(exchange[out#{h}_at]) * inverse#{h};
    var high = bitcast<vec4f>(exchange[out#{h}_at + 1u]) * inverse#{h};
//#end
    let row = first_row + local#{h};
    let piece = first_piece + #{ALONE ? "" : "half * " + V_ACROSS / 2 + "u + "}#{2 * j}u + (lane & 1u);
    if (row < row_end && piece < #{V_PIECES}u) {
//#if SHARED > 0
      if (is_shared) {
        let to = (place * #{BM}u + local#{h}) * #{PARTIAL_PITCH}u + 2u * piece;
        partials[to] = low;
        partials[to + 1u] = high;
      }
//#end
//#if SHARED < 2
      #{SHARED > 0 ? "if (!is_shared) " : ""}{ out[(head * call.seq_q + row) * #{V_PIECES}u + piece] = halves(low, high); }
//#end
    }
  }
//#end
//#if ALONE
  }
  workgroupBarrier();
//#end
//#end
//#if CAUSAL
  if (workgroupUniformLoad(&found_strange) == 1u) {
//#use add_strange
  }
//#end
//#end

// Values that are not finite and that some row of the block does not see: they are added to the outputs of rows that do.
//#block add_strange
    storageBarrier();
    for (var at = lid; at < #{BM * V_ACROSS}u; at += #{THREADS}u) {
      let row = first_row + at / #{V_ACROSS}u;
      let piece = first_piece + at % #{V_ACROSS}u;
      if (row >= row_end || piece >= #{V_PIECES}u) { continue; }
      var low = vec4f();
      var high = vec4f();
      for (var token = 0u; token < tiles * 32u; token++) {
//#if DENSE
        let key = key_of(0u) + token;
        let source = first_key + min(key, call.seq_k - 1u);
        let end = i32(key);
        let counts = key < call.seq_k;
//#else
        let item = item_of(list[first_group + token / #{GROUP}u], kv_head);
        let source = item.x + counted_token(item.y, token % #{GROUP}u);
        let end = last_token(item.y, token % #{GROUP}u);
        let counts = entry_counts(item.y, token % #{GROUP}u) && !entry_fills(item.y);
//#end
        if (counts && end > first_position && end <= i32(row) + call.position) {
          let strange = strange_part(load_v(source, piece));
          low += vec4f(unpack2x16float(strange.x), unpack2x16float(strange.y));
          high += vec4f(unpack2x16float(strange.z), unpack2x16float(strange.w));
        }
      }
//#if SHARED > 0
      if (is_shared) {
        let to = (place * #{BM}u + at / #{V_ACROSS}u) * #{PARTIAL_PITCH}u + 2u * piece;
        partials[to] += low;
        partials[to + 1u] += high;
      }
//#end
//#if SHARED < 2
      #{SHARED > 0 ? "if (!is_shared)" : ""} {
        let to = (head * call.seq_q + row) * #{V_PIECES}u + piece;
        let own = out[to];
        low += vec4f(unpack2x16float(own.x), unpack2x16float(own.y));
        high += vec4f(unpack2x16float(own.z), unpack2x16float(own.w));
        out[to] = halves(low, high);
      }
//#end
    }
//#end
