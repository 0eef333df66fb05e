// Softmax, a part of kernel.wgsl as named blocks of its template: they stand in the text where the kernel uses them, and read
// and write the variables of that place.

// Scores become weights: base 2, with what the tokens stand for, masks, and the running maximum and sum of each row.
//#block softmax
//#if last
//#for j in 0 .. 8
//#for h in 0 .. 2
    var t#{"ab"[h]}#{j} = vec4f(whole(s#{4 * h}_#{j}), whole(s#{4 * h + 1}_#{j}), whole(s#{4 * h + 2}_#{j}), whole(s#{4 * h + 3}_#{j}));
//#end
//#end
//#use add_channels
//#end
//#for j in 0 .. 8
    let bias#{j} = bias_of(own_group#{PER_LANE * j >> 3}, #{j % GROUP}u);
//#for h in 0 .. 2
//#if last
    t#{"ab"[h]}#{j} = fma(t#{"ab"[h]}#{j}, vec4f(call.scale), vec4f(bias#{j}));
//#else
    var t#{"ab"[h]}#{j} = fma(
      vec4f(whole(s#{4 * h}_#{j}), whole(s#{4 * h + 1}_#{j}), whole(s#{4 * h + 2}_#{j}), whole(s#{4 * h + 3}_#{j})),
      vec4f(call.scale), vec4f(bias#{j}));
//#end
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
      qp[0][#{NEST ? "tx >> 2u][tx & 3u" : "tx"}][#{h}][ty] = to_piece(top);
      workgroupBarrier();
      for (var other = 0u; other < 16u; other++) { top = max(top, from_piece(qp[0][#{NEST ? "other >> 2u][other & 3u" : "other"}][#{h}][ty])); }
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

// In a last tile that is half full or less, lanes have shared the channels of its groups: those of a group add up what they have.
//#block add_channels
    if (turns < 4u) {
//#if SUBGROUPS
//#for j in 0 .. 8
//#for h in 0 .. 2
      t#{"ab"[h]}#{j} += subgroupShuffleXor(t#{"ab"[h]}#{j}, 16u);
      if (turns == 1u) { t#{"ab"[h]}#{j} += subgroupShuffleXor(t#{"ab"[h]}#{j}, 8u); }
//#end
      if (tx >= 4u * turns) {
        ta#{j} = vec4f();
        tb#{j} = vec4f();
      }
//#end
//#else
//#for round in 0 .. 8 / PBUF
      workgroupBarrier();
//#for u in 0 .. PBUF
      qp[#{u}][tx >> 2u][tx & 3u][0][ty] = to_piece(ta#{PBUF * round + u});
      qp[#{u}][tx >> 2u][tx & 3u][1][ty] = to_piece(tb#{PBUF * round + u});
      ta#{PBUF * round + u} = vec4f();
      tb#{PBUF * round + u} = vec4f();
//#end
      workgroupBarrier();
      for (var other = select(tx, 16u, tx >= 4u * turns); other < 16u; other += 4u * turns) {
//#for u in 0 .. PBUF
        ta#{PBUF * round + u} += from_piece(qp[#{u}][other >> 2u][other & 3u][0][ty]);
        tb#{PBUF * round + u} += from_piece(qp[#{u}][other >> 2u][other & 3u][1][ty]);
//#end
      }
//#end
//#end
    }
//#end
