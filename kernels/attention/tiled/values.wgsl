// Weights times values, a part of kernel.wgsl as named blocks of its template: they stand in the text where the kernel uses them,
// and read and write the variables of that place.

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
      qp[#{u}][#{NEST ? "tx >> 2u][tx & 3u" : "tx"}][#{h}][ty_write] = pack_pairs(t#{"ab"[h]}#{2 * u}, t#{"ab"[h]}#{2 * u + 1});
//#else
      qp[#{u}][#{NEST ? "tx >> 2u][tx & 3u" : "tx"}][#{h}][ty_write] = t#{"ab"[h]}#{u};
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
              strange = strange || is_strange(bitcast<vec4<u32>>(kv[now][#{NEST ? "g >> 2u][g & 3u" : "g"}][#{SPLIT ? "part_of_keys" : 0}][column])) ||
                is_strange(bitcast<vec4<u32>>(kv[now][#{NEST ? "g >> 2u][g & 3u" : "g"}][#{SPLIT ? "part_of_keys" : 1}][column#{SPLIT ? " + 8u" : ""}]));
            }
          }
          if (strange) {
          for (var g = 0u; g < 16u; g++) {
            let row_lane = (ty ^ ((g & 3u) << 1u)) & #{TY - 1}u;
            let wa = qp[weights][#{NEST ? "g >> 2u][g & 3u" : "g"}][0][row_lane];
            let wb = qp[weights][#{NEST ? "g >> 2u][g & 3u" : "g"}][1][row_lane];
            let va = kv[now][#{NEST ? "g >> 2u][g & 3u" : "g"}][#{SPLIT ? "part_of_keys" : 0}][column];
            let vb = kv[now][#{NEST ? "g >> 2u][g & 3u" : "g"}][#{SPLIT ? "part_of_keys" : 1}][column#{SPLIT ? " + 8u" : ""}];
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
//#if (last ? 4 : STEPS) == 16
//#for n in 0 .. 16
          {
            const four = #{n >> 2}u;
            const step = #{n & 3}u;
//#use multiply_values
          }
//#end
//#else
          for (var four = 0u; four < #{last ? "used" : "4u"}; four++) {
//#if (last ? 4 : STEPS) == 4
//#for n in 0 .. 4
            {
              const step = #{n}u;
//#use multiply_values
            }
//#end
//#else
            for (var step = 0u; step < 4u; step++) {
//#use multiply_values
            }
//#end
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

// One key of 8 rows and 8 columns, of each of four groups or of one.
//#block multiply_values
                let row_lane = (ty ^ (step << 1u)) & #{TY - 1}u;
                let wa = qp[weights][#{NEST ? "four][step" : "four * 4u + step"}][0][row_lane];
                let wb = qp[weights][#{NEST ? "four][step" : "four * 4u + step"}][1][row_lane];
                let va = kv[now][#{NEST ? "four][step" : "four * 4u + step"}][#{SPLIT ? "part_of_keys" : 0}][column];
                let vb = kv[now][#{NEST ? "four][step" : "four * 4u + step"}][#{SPLIT ? "part_of_keys" : 1}][column#{SPLIT ? " + 8u" : ""}];
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
//#end
