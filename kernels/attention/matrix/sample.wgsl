// The sample of the kernel with matrices, as a named block of its template: it stands in the text where kernel.wgsl uses it.

// The maximum of each row over the tiles of the sample, or, if is_exact, over all of them. Ends with tile 0, whose scores are
// then there for the walk.
//#block sample
//#for edge in 1 .. 2
//#for z in 0 .. LANE_ROWS
    top#{z} = MASKED;
    sum#{z} = 0.0;
//#end
//#for n in 0 .. V_LOADS
    var v#{n} = Piece();
//#end
    let k_buffer_read = 0u;
//#if ALONE
    if (!is_exact) {
      let v_tile = 0u;
//#use request_values
    }
//#end
    if (lid == 0u) { again = 0u; }
    let samples = select(#{DENSE ? "min(tiles, 2u)" : "1u"}, tiles, is_exact);
    for (var n = 0u; n < samples; n += call.one) {
      let back = samples - 1u - n;
//#if DENSE
      let tile = select(sampled_tile(back, tiles, first_row), back, is_exact);
//#else
      let tile = back;
      if (is_exact) {
        workgroupBarrier();
        if (lid < #{TILE_GROUPS}u) {
          ring[(tile & 15u) * #{TILE_GROUPS}u + lid] = item_of(list[first_group + tile * #{TILE_GROUPS}u + lid], kv_head);
        }
      }
//#end
      workgroupBarrier();
//#if KEYS_EARLY
      if (is_exact) {
        let k_tile = tile;
//#use request_keys
      }
//#end
      {
        let k_buffer = 0u;
//#if !KEYS_EARLY
        let k_tile = tile;
//#for n in 0 .. K_LOADS
        var k#{n} = Piece();
//#end
//#use request_keys
//#end
//#use store_keys
      }
      workgroupBarrier();
//#if KEYS_EARLY
      if (!is_exact) {
        let k_tile = select(min(1u, last), 0u, back > 0u);
//#use request_keys
      }
//#end
//#for step in 0 .. STEPS
//#use multiply_keys
//#end
//#use give_scores
//#for part in 0 .. PARTS
      {
        var score = fma(#{"bitcast<vec4f>(exchange[s" + (part >> 2) + "ab"[part & 1] + " + " + (part & 2) + "u])"}, vec4f(SCALE), bias#{part >> 1 & 1}#{"ab"[part & 1]});
//#if CAUSAL
        score = select(score, vec4f(MASKED), ends#{part >> 1 & 1}#{"ab"[part & 1]} > vec4<i32>(position#{part >> 2}));
//#end
        top#{part >> 2} = max(top#{part >> 2}, max(max(score.x, score.y), max(score.z, score.w)));
      }
//#end
    }
//#for z in 0 .. LANE_ROWS
    shared_rows[half * #{ROWS}u + row#{z}] = top#{z};
//#end
    workgroupBarrier();
//#if !DENSE
    if (is_exact) {
      if (lid < #{8 * TILE_GROUPS}u) { ring[lid] = item_of(list[first_group + min(lid, groups - 1u)], kv_head); }
      workgroupBarrier();
    }
//#end
//#if !KEYS_EARLY
//#for n in 0 .. K_LOADS
    var k#{n} = Piece();
//#end
//#end
    #{KEYS_EARLY ? "if (is_exact)" : ""} {
      let k_tile = min(1u, last);
//#use request_keys
    }
//#if ALONE
    if (is_exact) {
      let v_tile = 0u;
//#use request_values
    }
//#end
    {
      let k_buffer = #{ALONE ? 32 * K_PITCH : 0}u;
//#use store_keys
    }
//#if ALONE
    {
      let v_stored = 0u;
      let v_buffer = 0u;
//#use store_values
    }
//#end
    {
      let v_tile = #{ALONE ? "min(1u, last)" : "0u"};
      let k_tile = min(2u, last);
//#use request_values
//#use request_keys
    }
//#for z in 0 .. LANE_ROWS
    top#{z} = max(shared_rows[row#{z}], shared_rows[#{ROWS}u + row#{z}]);
    max#{z} = select(max#{z}, max(top#{z}, EMPTY), max#{z} == MASKED);
//#end
//#for i in 0 .. ROW_MATRICES
//#for j in 0 .. COLUMNS
    o#{i}_#{j} = Sums();
//#end
//#end
    workgroupBarrier();
//#end
//#end
