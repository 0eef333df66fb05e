//#if CAUSAL || MASK
// Whether some number of 16 bytes is NaN or infinite.
fn is_strange(bits: vec4<u32>) -> bool {
//#if F16
  return any((bits & vec4<u32>(0x7c00u)) == vec4<u32>(0x7c00u)) || any((bits & vec4<u32>(0x7c000000u)) == vec4<u32>(0x7c000000u));
//#else
  return any((bits & vec4<u32>(0x7f800000u)) == vec4<u32>(0x7f800000u));
//#end
}
//#end
