// Softmax, values and output: parts of kernel.wgsl, as named blocks of its template: each stands in the text where the kernel uses it, and reads
// and writes the variables of that place.

// Scores become weights: base 2, with what the tokens stand for, masks, and the running maximum and sum of each row.
//#block softmax
//#for j in 0 .. 8
    let bias#{j} = bias_of(own_group#{PER_LANE * j >> 3}, #{j % GROUP}u);
//#for h in 0 .. 2
    var t#{"ab"[h]}#{j} = fma(
      vec4f(whole(s#{4 * h}_#{j}), whole(s#{4 * h + 1}_#{j}), whole(s#{4 * h + 2}_#{j}), whole(s#{4 * h + 3}_#{j})),
      vec4f(call.scale), vec4f(bias#{j}));
//#end
//#end
//#if MASK
//#use mask
//#end
//#if CAUSAL
    {
      let row = i32(first_row + ty * 8u) + call.position;
//#for j in 0 .. 8
      {
        let entry = own_group#{PER_LANE * j >> 3};
        let end = (entry_index(entry) * #{GROUP}u + #{j % GROUP + 1}u) << entry_log_level(entry);
        let late = i32(#{PARTIAL ? "min(end, call.seq_k)" : "end"}) - 1 - row;
//#if WHOLE
        ta#{j} = select(ta#{j}, vec4f(MASKED), vec4<i32>(late) > vec4<i32>(0, 1, 2, 3));
        tb#{j} = select(tb#{j}, vec4f(MASKED), vec4<i32>(late) > vec4<i32>(4, 5, 6, 7));
//#else
        // a token that does not count was read as one that does, which may be later than this one and not seen
        let hidden = vec4<bool>(!entry_counts(entry, #{j % GROUP}u));
        ta#{j} = select(ta#{j}, vec4f(MASKED), (vec4<i32>(late) > vec4<i32>(0, 1, 2, 3)) | hidden);
        tb#{j} = select(tb#{j}, vec4f(MASKED), (vec4<i32>(late) > vec4<i32>(4, 5, 6, 7)) | hidden);
//#end
      }
//#end
    }
//#end

    // Softmax, online.
//#if !SUBGROUPS
    workgroupBarrier();
//#end
//#for h in 0 .. 2
    {
      var top = max(max(t#{"ab"[h]}0, t#{"ab"[h]}1), max(t#{"ab"[h]}2, t#{"ab"[h]}3));
      top = max(top, max(max(t#{"ab"[h]}4, t#{"ab"[h]}5), max(t#{"ab"[h]}6, t#{"ab"[h]}7)));
//#if SUBGROUPS
//#for n in 1 .. 5
      top = max(top, subgroupShuffleXor(top, #{2 ** n}u));
//#end
//#else
      qp[0][#{NEST ? "tx / 4u][tx % 4u" : "tx"}][#{h}][ty] = to_piece(top);
      workgroupBarrier();
      for (var other = 0u; other < 16u; other++) { top = max(top, from_piece(qp[0][#{NEST ? "other / 4u][other % 4u" : "other"}][#{h}][ty])); }
//#end
      let grown = max(max_#{"ab"[h]}, top);
      let shrink = exp2(max_#{"ab"[h]} - grown);
      max_#{"ab"[h]} = grown;
//#for j in 0 .. 8
      t#{"ab"[h]}#{j} = exp2(t#{"ab"[h]}#{j} - #{F16 ? "max(grown + HALVINGS, vec4f(EMPTY))" : CAUSAL || MASK ? "max(grown, vec4f(EMPTY))" : "grown"});
//#end
      var sum = (t#{"ab"[h]}0 + t#{"ab"[h]}1) + (t#{"ab"[h]}2 + t#{"ab"[h]}3);
      sum += (t#{"ab"[h]}4 + t#{"ab"[h]}5) + (t#{"ab"[h]}6 + t#{"ab"[h]}7);
      sum_#{"ab"[h]} = fma(sum_#{"ab"[h]}, shrink, sum);
//#for i in 0 .. 4
//#for c in 0 .. 8
      o#{h * 4 + i}_#{c} *= shrink.#{"xyzw"[i]};
//#end
//#end
    }
//#end
//#end

// Weights times values, in parts that fit into workgroup memory; after the last one, the first keys of the next tile.
//#block values
//#if F16
//#for i in 0 .. 8
//#for c in 0 .. 8
    var p#{i}_#{c} = Word();
//#end
//#end
//#end
    for (var part = 0u; part < #{PARTS}u; part++) {
      workgroupBarrier();
//#for u in 0 .. PBUF
//#for h in 0 .. 2
//#if F16
      qp[#{u}][#{NEST ? "tx / 4u][tx % 4u" : "tx"}][#{h}][ty_write] = pack_pairs(t#{"ab"[h]}#{2 * u}, t#{"ab"[h]}#{2 * u + 1});
//#else
      qp[#{u}][#{NEST ? "tx / 4u][tx % 4u" : "tx"}][#{h}][ty_write] = t#{"ab"[h]}#{u};
//#end
//#end
//#end
//#if PARTS > 1
//#for u in 0 .. 8 - PART_KEYS
      ta#{u} = ta#{u + PART_KEYS};
      tb#{u} = tb#{u + PART_KEYS};
//#end
//#end
      for (var turn = 0u; turn < #{V_CHUNKS / VALUES_AT_ONCE}u; turn++) {
//#for half in 0 .. VALUES_AT_ONCE
        {
          let now = #{VALUES_AT_ONCE == 2 ? half + "u" : "b"};
          let next = now ^ 1u;
          let chunk = turn * #{VALUES_AT_ONCE}u + #{half}u;
          let weights = #{SPLIT ? "chunk * 2u + part_of_keys" : "chunk"};
          let next_unit = part * #{PBUF}u + (chunk + 1u) * #{SPLIT ? 2 : 1}u;
          let more = #{half < VALUES_AT_ONCE - 1 ? true : V_CHUNKS == VALUES_AT_ONCE && PARTS == 1 ? false : "next_unit < " + UNITS + "u"};
          let next_chunk = 0u;
          let q_next = 0u;
          if (more) {
//#use request_values
          } else {
//#use request_keys
          }
          workgroupBarrier();
//#if CAREFUL
          var strange = false;
          if (crossed) {
            for (var g = 0u; g < 16u; g++) {
              strange = strange || is_strange(bitcast<vec4<u32>>(kv[now][g][#{SPLIT ? "part_of_keys" : 0}][column])) ||
                is_strange(bitcast<vec4<u32>>(kv[now][g][#{SPLIT ? "part_of_keys" : 1}][column#{SPLIT ? " + 8u" : ""}]));
            }
          }
          if (strange) {
          for (var g = 0u; g < 16u; g++) {
            let row_lane = (ty ^ ((g & 3u) << 1u)) & #{TY - 1}u;
            let wa = qp[weights][g][0][row_lane];
            let wb = qp[weights][g][1][row_lane];
            let va = kv[now][g][#{SPLIT ? "part_of_keys" : 0}][column];
            let vb = kv[now][g][#{SPLIT ? "part_of_keys" : 1}][column#{SPLIT ? " + 8u" : ""}];
//#for i in 0 .. 8
            let weight#{i} = pair(w#{"ab"[i >> 2]}.#{"xyzw"[i & 3]});
            let value#{i} = pair(v#{"ab"[i >> 2]}.#{"xyzw"[i & 3]});
//#end
//#if F16
//#for c in 0 .. 8
//#for i in 0 .. 8
            p#{i}_#{c} = select(fma(weight#{i}, value#{c}, p#{i}_#{c}), p#{i}_#{c}, weight#{i} == Word());
//#end
//#end
//#else
//#for i in 0 .. 8
//#for n in 0 .. 8
            o#{i}_#{n} = select(fma(weight#{i}, value#{n}, o#{i}_#{n}), o#{i}_#{n}, weight#{i} == 0.0);
//#end
//#end
//#end
          }
          } else {
//#end
//#if UNROLL < 16
          for (var outer = 0u; outer < used; outer++) {
//#end
//#for step in 0 .. UNROLL
          {
            #{UNROLL == 1 ? "let g = outer" : "const g = " + step + "u"};
            let row_lane = (ty ^ ((g & 3u) << 1u)) & #{TY - 1}u;
            let wa = qp[weights]#{NEST ? "[outer]" : ""}[g][0][row_lane];
            let wb = qp[weights]#{NEST ? "[outer]" : ""}[g][1][row_lane];
            let va = kv[now]#{NEST ? "[outer]" : ""}[g][#{SPLIT ? "part_of_keys" : 0}][column];
            let vb = kv[now]#{NEST ? "[outer]" : ""}[g][#{SPLIT ? "part_of_keys" : 1}][column#{SPLIT ? " + 8u" : ""}];
//#for i in 0 .. 8
            let weight#{i} = pair(w#{"ab"[i >> 2]}.#{"xyzw"[i & 3]});
            let value#{i} = pair(v#{"ab"[i >> 2]}.#{"xyzw"[i & 3]});
//#end
//#if F16
//#for c in 0 .. 8
//#for i in 0 .. 8
            p#{i}_#{c} = fma(weight#{i}, value#{c}, p#{i}_#{c});
//#end
//#end
//#else
//#for i in 0 .. 8
//#for n in 0 .. 8
            o#{i}_#{i % 2 ? 7 - n : n} = fma(weight#{i}, value#{i % 2 ? 7 - n : n}, o#{i}_#{i % 2 ? 7 - n : n});
//#end
//#end
//#end
          }
//#end
//#if UNROLL < 16
          }
//#end
//#if CAREFUL
          }
//#end
          if (more) {
//#use store_values
          } else {
//#if Q_WAITS
            workgroupBarrier();
//#end
//#use store_keys
          }
        }
//#end
//#if VALUES_AT_ONCE == 1
        b ^= 1u;
//#end
      }
    }
//#if F16
//#for i in 0 .. 8
//#for c in 0 .. 8
    o#{i}_#{c} += whole(p#{i}_#{c});
//#end
//#end
//#end
//#end

// Sums over the lanes of a row, and the outputs that are written.
//#block output
//#if !SUBGROUPS
  workgroupBarrier();
//#end
//#for h in 0 .. 2
//#if SUBGROUPS
//#for n in 1 .. 5
  sum_#{"ab"[h]} += subgroupShuffleXor(sum_#{"ab"[h]}, #{2 ** n}u);
//#end
//#else
  qp[1][#{NEST ? "tx / 4u][tx % 4u" : "tx"}][#{h}][ty] = to_piece(sum_#{"ab"[h]});
  workgroupBarrier();
  sum_#{"ab"[h]} = vec4f();
  for (var other = 0u; other < 16u; other++) { sum_#{"ab"[h]} += from_piece(qp[1][#{NEST ? "other / 4u][other % 4u" : "other"}][#{h}][ty]); }
//#end
//#end
//#for i in 0 .. 8
  {
    let row = first_row + ty * 8u + #{i}u;
    let top = max_#{"ab"[i >> 2]}.#{"xyzw"[i & 3]};
    let sum = sum_#{"ab"[i >> 2]}.#{"xyzw"[i & 3]};
    let empty = top <= EMPTY;
    let inverse = select(1.0 / sum, 0.0, empty);
    var low = vec4f(o#{i}_0, o#{i}_1, o#{i}_2, o#{i}_3) * inverse;
    var high = vec4f(o#{i}_4, o#{i}_5, o#{i}_6, o#{i}_7) * inverse;
//#if SPLIT && SUBGROUPS
    low += subgroupShuffleXor(low, 16u);
    high += subgroupShuffleXor(high, 16u);
//#end
//#if SPLIT && !SUBGROUPS
    workgroupBarrier();
    qp[0][#{NEST ? "tx / 4u][tx % 4u" : "tx"}][0][ty] = to_piece(low);
    qp[0][#{NEST ? "tx / 4u][tx % 4u" : "tx"}][1][ty] = to_piece(high);
    workgroupBarrier();
    low += from_piece(qp[0][#{NEST ? "(tx ^ 8u) / 4u][tx % 4u" : "tx ^ 8u"}][0][ty]);
    high += from_piece(qp[0][#{NEST ? "(tx ^ 8u) / 4u][tx % 4u" : "tx ^ 8u"}][1][ty]);
//#end
    let at = (head * call.seq_q + row) * #{V_PIECES}u;
//#if SHARED > 0
    if (is_shared) {
      let place = (wg.x * #{BM}u + ty * 8u + #{i}u) * #{PARTIAL_PITCH}u;
//#if F16
      let own = first_piece + column;
      if (own < #{V_PIECES}u #{SPLIT ? "&& part_of_keys == 0u" : ""}) {
        partials[place + own * 2u] = low;
        partials[place + own * 2u + 1u] = high;
      }
//#else
//#if SPLIT
      let own = first_piece + column + part_of_keys * 8u;
      if (own < #{V_PIECES}u) { partials[place + own] = select(low, high, part_of_keys == 1u); }
//#else
      let own = first_piece + column;
      if (own < #{V_PIECES}u) { partials[place + own] = low; }
      if (own + 16u < #{V_PIECES}u) { partials[place + own + 16u] = high; }
//#end
//#end
      if (tx == 0u && column_part == 0u) {
        partials[place + #{PARTIAL_PITCH - 1}u] = vec4f(top#{F16 ? " + HALVINGS" : ""}, select(sum, 0.0, empty), 0.0, 0.0);
      }
    }
//#end
//#if SHARED < 2
    if (row < call.seq_q#{SHARED > 0 ? " && !is_shared" : ""}) {
//#if F16
      let halves = vec4<u32>(pack2x16float(low.xy), pack2x16float(low.zw), pack2x16float(high.xy), pack2x16float(high.zw));
      let own = first_piece + column;
      if (own < #{V_PIECES}u #{SPLIT ? "&& part_of_keys == 0u" : ""}) { out[at + own] = halves; }
//#else
//#if SPLIT
      let own = first_piece + column + part_of_keys * 8u;
      if (own < #{V_PIECES}u) { out[at + own] = select(low, high, part_of_keys == 1u); }
//#else
      let own = first_piece + column;
      if (own < #{V_PIECES}u) { out[at + own] = low; }
      if (own + 16u < #{V_PIECES}u) { out[at + own + 16u] = high; }
//#end
//#end
      if (tx == 0u && column_part == 0u) {
        lse[head * call.seq_q + row] = select((top + #{F16 ? "HALVINGS + " : ""}log2(sum)) * 0.6931471805599453, call.minus_infinity, empty);
      }
    }
//#end
  }
//#end
//#end
