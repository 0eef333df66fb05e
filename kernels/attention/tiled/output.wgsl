// The output, a part of kernel.wgsl as a named block of its template: it stands in the text where the kernel uses it, and reads
// the variables of that place.

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
  qp[1][#{NEST ? "tx >> 2u][tx & 3u" : "tx"}][#{h}][ty] = to_piece(sum_#{"ab"[h]});
  workgroupBarrier();
  sum_#{"ab"[h]} = vec4f();
  for (var other = 0u; other < 16u; other++) { sum_#{"ab"[h]} += from_piece(qp[1][#{NEST ? "other >> 2u][other & 3u" : "other"}][#{h}][ty]); }
//#end
//#end
//#for i in 0 .. 8
  {
    let row = first_row + ty * 8u + #{i}u;
    let top = max_#{"ab"[i >> 2]}.#{"xyzw"[i & 3]};
    let sum = sum_#{"ab"[i >> 2]}.#{"xyzw"[i & 3]};
    let empty = sum == 0.0;   // not so where a score is NaN, though no maximum is NaN
    let inverse = select(1.0 / sum, 0.0, empty);
    var low = vec4f(o#{i}_0, o#{i}_1, o#{i}_2, o#{i}_3) * inverse;
    var high = vec4f(o#{i}_4, o#{i}_5, o#{i}_6, o#{i}_7) * inverse;
//#if SPLIT && SUBGROUPS
    low += subgroupShuffleXor(low, 16u);
    high += subgroupShuffleXor(high, 16u);
//#end
//#if SPLIT && !SUBGROUPS
    workgroupBarrier();
    qp[0][#{NEST ? "tx >> 2u][tx & 3u" : "tx"}][0][ty] = to_piece(low);
    qp[0][#{NEST ? "tx >> 2u][tx & 3u" : "tx"}][1][ty] = to_piece(high);
    workgroupBarrier();
    low += from_piece(qp[0][#{NEST ? "(tx ^ 8u) >> 2u][tx & 3u" : "tx ^ 8u"}][0][ty]);
    high += from_piece(qp[0][#{NEST ? "(tx ^ 8u) >> 2u][tx & 3u" : "tx ^ 8u"}][1][ty]);
//#end
    let at = (head * call.seq_q + row) * #{V_PIECES}u;
//#if SHARED > 0
    if (is_shared) {
      let to = (place * #{BM}u + ty * 8u + #{i}u) * #{PARTIAL_PITCH}u;
//#if F16
      let own = first_piece + column;
      if (own < #{V_PIECES}u #{SPLIT ? "&& part_of_keys == 0u" : ""}) {
        partials[to + own * 2u] = low;
        partials[to + own * 2u + 1u] = high;
      }
//#else
//#if SPLIT
      let own = first_piece + column + part_of_keys * 8u;
      if (own < #{V_PIECES}u) { partials[to + own] = select(low, high, part_of_keys == 1u); }
//#else
      let own = first_piece + column;
      if (own < #{V_PIECES}u) { partials[to + own] = low; }
      if (own + 16u < #{V_PIECES}u) { partials[to + own + 16u] = high; }
//#end
//#end
      if (tx == 0u && column_part == 0u) {
        partials[to + #{PARTIAL_PITCH - 1}u] = vec4f(top#{F16 ? " + HALVINGS" : ""}, select(sum, 0.0, empty), 0.0, 0.0);
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
