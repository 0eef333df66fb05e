// Scores, a part of kernel.wgsl as a named block of its template: it stands in the text where the kernel uses it, and
// reads and writes the variables of that place.

// Scores of 8 rows x 8 keys, chunk by chunk of the channels. The next chunk is on its way meanwhile; after the last one, the
// first of the values.
//#block scores
//#for j in 0 .. 8
//#for i in 0 .. 8
    var s#{i}_#{j} = Word();
//#end
//#end
    for (var turn = 0u; turn < #{CHUNKS / SCORES_AT_ONCE}u; turn++) {
//#for half in 0 .. SCORES_AT_ONCE
      {
        let now = #{SCORES_AT_ONCE == 2 ? half + "u" : "b"};
        let next = now ^ 1u;
        let q_now = #{SCORES_AT_ONCE == 2 ? half + "u" : "turn & 1u"};
        let q_next = q_now ^ 1u;
        let next_chunk = turn * #{SCORES_AT_ONCE}u + #{half + 1}u;
        let more = #{half < SCORES_AT_ONCE - 1 ? true : SCORES_AT_ONCE == CHUNKS ? false : "next_chunk < " + CHUNKS + "u"};
        let next_unit = 0u;
        if (more) {
//#use request_keys
        } else {
//#use request_values
        }
        workgroupBarrier();
//#if (last ? 4 : STEPS) == 16
//#for n in 0 .. 16
        {
          const four = #{n >> 2}u;
          const step = #{n & 3}u;
//#use multiply_keys
        }
//#end
//#else
        for (var turn_of_four = 0u; turn_of_four < #{last ? "turns" : "4u"}; turn_of_four++) {
          let four = #{last ? "first_four + " : ""}turn_of_four;
//#if (last ? 4 : STEPS) == 4
//#for n in 0 .. 4
          {
            const step = #{n}u;
//#use multiply_keys
          }
//#end
//#else
          for (var step = 0u; step < 4u; step++) {
//#use multiply_keys
          }
//#end
        }
//#end
        if (more) {
//#use store_keys
        } else {
//#use store_values
        }
      }
//#end
//#if SCORES_AT_ONCE == 1
      b ^= 1u;
//#end
    }
//#end

// One channel of 8 rows and 8 keys.
//#block multiply_keys
              let row_lane = (ty ^ (four << 1u)) & #{TY - 1}u;
              let key_lane = #{last ? "key_tx" : "tx"} ^ (four << 1u);
              let qa = qp[q_now][#{NEST ? "four][step" : "four * 4u + step"}][0][row_lane];
              let qb = qp[q_now][#{NEST ? "four][step" : "four * 4u + step"}][1][row_lane];
              let ka = kv[now][#{NEST ? "four][step" : "four * 4u + step"}][0][key_lane];
              let kb = kv[now][#{NEST ? "four][step" : "four * 4u + step"}][1][key_lane];
//#for i in 0 .. 8
              let query#{i} = pair(q#{"ab"[i >> 2]}.#{"xyzw"[i & 3]});
              let key#{i} = pair(k#{"ab"[i >> 2]}.#{"xyzw"[i & 3]});
//#end
//#for j in 0 .. 8
//#for n in 0 .. 8
              s#{j % 2 ? n ^ (F16 ? 6 : 7) : n}_#{j} = fma(query#{j % 2 ? n ^ (F16 ? 6 : 7) : n}, key#{j}, s#{j % 2 ? n ^ (F16 ? 6 : 7) : n}_#{j});
//#end
//#end
//#end
