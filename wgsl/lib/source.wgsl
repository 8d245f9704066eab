// An element of x, which lies in y where the result takes x's place. Needs params.inPlace and bindings x and y of equal
// size; a thread reads its elements before it writes them, and nobody else's.
fn sourceAt(i: u32) -> f32 {
  if (params.inPlace != 0u) {
    return y[i];
  }
  return x[i];
}
