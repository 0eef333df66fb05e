// Attention over a mask that says of every query which keys it sees: a part of the tiled kernel (tiled/kernel.wgsl), as a
// named block of its template, and one more binding. A query block walks a list of the groups of 8 keys that at least one of
// its rows sees, as it does for levels; beside each entry lie the bits of the rows. Groups that no row of the
// block sees are not in the list, and are never read.
//
// Bits lie as threads want them. A thread has the scores of 8 rows x 8 keys, so that 64 bits are all that it needs of a tile:
// one load of 8 bytes, 8 keys per byte, rows ascending; neighbouring threads read neighbouring bytes. That is one
// bit for each computed pair, in addition to the 4 bytes of an entry, and eight selects with constant masks per tile.
//
// The cost is that of the union: a tile is computed for all rows of the query block even if only one of them sees its keys. Rows
// that see the same keys as their neighbours are fast; where each row sees different keys, the union is all keys.
//
// Keys of a listed group that a row does not see are read, and their scores replaced. Their values meet a weight of
// zero, and the tiled kernel's careful products then add nothing, even for NaN or infinity; with many keys a check of the values
// decides in advance whether careful products are needed (choice.wgsl).

//#if MASK
@group(0) @binding(#{LISTS_AT + 2}) var<storage, read> row_masks: array<vec2u>; // [entries of the lists][#{TY}]: 8 rows of 8 keys
//#end

// A token that a row does not see gets the score of a masked token, even where its own score is NaN.
//#block mask
    {
      let seen = row_masks[(first_group + tile * 16u + tx) * #{TY}u + ty];
//#for j in 0 .. 8
      ta#{j} = select(vec4f(MASKED), ta#{j}, (vec4u(seen.x) & vec4u(#{2 ** j}u, #{2 ** (8 + j)}u, #{2 ** (16 + j)}u, #{2 ** (24 + j)}u)) != vec4u(0u));
      tb#{j} = select(vec4f(MASKED), tb#{j}, (vec4u(seen.y) & vec4u(#{2 ** j}u, #{2 ** (8 + j)}u, #{2 ** (16 + j)}u, #{2 ** (24 + j)}u)) != vec4u(0u));
//#end
    }
//#end
