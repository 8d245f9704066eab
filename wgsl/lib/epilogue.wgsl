// What follows the sum of a linear layer or convolution: bias, activation, residual, store.
// Needs params.rowStart, yStride, activation, hasBias, hasResidual and bindings bias, residual, y.
fn store(m: u32, n: u32, sum: f32) {
  let column = params.rowStart + n;
  var value = sum;
  if (params.hasBias != 0u) {
    value += bias[column];
  }
  if (params.activation != 0u) {
    value = activate(params.activation, value);
  }
  let at = m * params.yStride + column;
  if (params.hasResidual == 1u) {
    value += residual[at];
  } else if (params.hasResidual == 2u) {
    value += y[at];
  }
  y[at] = value;
}
