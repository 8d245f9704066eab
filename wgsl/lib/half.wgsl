// binary16 bits (low 16 of the word) as f32 by integer arithmetic: exact for subnormals too, which `unpack2x16float`
// may flush; block scales of real files do contain them.
fn halfToFloat(word: u32) -> f32 {
  let magnitude = word & 0x7fffu;
  // Exponent rebased by 113: normal values are twice too large, subnormals carry an extra 2^-14.
  let rebased = bitcast<f32>((magnitude << 13u) + 0x38800000u);
  let value = select(rebased * 0.5, rebased - 6.103515625e-5, magnitude < 0x400u);
  return select(value, -value, (word & 0x8000u) != 0u);
}
