// exp and log in float64, which WGSL lacks; each is accurate to one or two units in the last place.
//
// exp: x = k ln 2 + r with |r| <= ln(2) / 2, a Taylor series of exp(r) whose first omitted term is below 2^-53, and
// 2^k from the bits of a float32, which holds k from -126 to 127. Below -86 the result is 0: it is added to a sum of at
// least 1, where exp(-86) is 5e-38. log: the float32 logarithm, then two rounds of Halley's iteration for exp(y) = x.

const HIDDEN = -1e300lf; // the score of a token that a row does not see
const LOWEST = -86.0lf;
const LN2_HIGH = 0.693147180369123816490lf; // LN2_HIGH + LN2_LOW is ln 2 to 90 bits; k LN2_HIGH is exact
const LN2_LOW = 1.90821492927058770002e-10lf;

fn exp64(x: f64) -> f64 {
  if (x < LOWEST) { return 0.0lf; }
  let k = i32(round(f32(x) * 1.4426950408889634));
  let r = (x - f64(k) * LN2_HIGH) - f64(k) * LN2_LOW;
  var sum = 1.0lf / 6227020800.0lf;
  sum = sum * r + 1.0lf / 479001600.0lf;
  sum = sum * r + 1.0lf / 39916800.0lf;
  sum = sum * r + 1.0lf / 3628800.0lf;
  sum = sum * r + 1.0lf / 362880.0lf;
  sum = sum * r + 1.0lf / 40320.0lf;
  sum = sum * r + 1.0lf / 5040.0lf;
  sum = sum * r + 1.0lf / 720.0lf;
  sum = sum * r + 1.0lf / 120.0lf;
  sum = sum * r + 1.0lf / 24.0lf;
  sum = sum * r + 1.0lf / 6.0lf;
  sum = sum * r + 0.5lf;
  sum = sum * r + 1.0lf;
  sum = sum * r + 1.0lf;
  return sum * f64(bitcast<f32>(u32(k + 127) << 23u));
}

// x from 1 to 2^120
fn log64(x: f64) -> f64 {
  var y = f64(log(f32(x)));
  for (var i = 0; i < 2; i++) {
    let e = exp64(y);
    y += 2.0lf * (x - e) / (x + e);
  }
  return y;
}
