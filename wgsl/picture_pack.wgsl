// y[p] = RGBA bytes of pixel p, one word: floor(255 v) of the channels v in 0..1 (the web UIs' rule), or, with a map from
// channels to colours, round(255 (v + 1) / 2) of v = Σ_c map[c] x[c, p] + map[channels], in -1..1 (previews of latents).
// Bytes are found in integers from the bits of v, so that every device rounds alike. A pixel with a value that is no number
// becomes 0, alpha included; all others are opaque.
// Grid: one thread per pixel, 256 per group.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  count: u32, // pixels
  channels: u32, // of x
  start: u32, // first element of this picture in x
  mapped: u32, // 1: with a map
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> colours: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

// By exponent bits: compilers may assume that neither infinities nor NaNs occur.
fn isNumber(bits: u32) -> bool {
  return (bits & 0x7f800000u) != 0x7f800000u;
}

// 255 |v| as a whole number over 2^shift; shift is at least 24 for |v| below 1/2.
struct Scaled {
  number: u32,
  shift: u32,
}
fn scaled(bits: u32) -> Scaled {
  let exponent = (bits >> 23u) & 0xffu;
  return Scaled(255u * ((bits & 0x7fffffu) | 0x800000u), 150u - exponent);
}

fn floorByte(bits: u32) -> u32 {
  // Signed zeros and negative numbers; 1 and above.
  if (bits >= 0x80000000u) {
    return 0u;
  }
  if (bits >= 0x3f800000u) {
    return 255u;
  }
  let s = scaled(bits);
  return select(s.number >> min(s.shift, 31u), 0u, s.shift > 31u);
}

// round(127.5 v + 127.5) = floor(127.5 v + 128), halves up.
fn roundByte(bits: u32) -> u32 {
  let negative = bits >= 0x80000000u;
  if ((bits & 0x7fffffffu) >= 0x3f800000u) {
    return select(255u, 0u, negative);
  }
  let s = scaled(bits & 0x7fffffffu);
  let shift = s.shift + 1u;
  let whole = select(s.number >> min(shift, 31u), 0u, shift > 31u);
  // Below zero the distance from 128 is rounded up.
  let exact = shift <= 31u && (whole << min(shift, 31u)) == s.number;
  let zero = (bits & 0x7fffffffu) == 0u;
  return select(128u + whole, 128u - whole - select(1u, 0u, exact || zero), negative);
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let p = groupIndex(workgroup, groups) * 256u + local;
  if (p >= params.count) {
    return;
  }
  let first = params.start + p;
  var colour = vec3<f32>(0.0);
  var good = true;
  if (params.mapped != 0u) {
    colour = colours[params.channels].xyz;
    for (var c = 0u; c < params.channels; c++) {
      let value = x[first + c * params.count];
      good = good && isNumber(bitcast<u32>(value));
      colour += colours[c].xyz * value;
    }
  } else {
    // A grey picture has one channel.
    let last = params.channels - 1u;
    colour = vec3<f32>(
      x[first],
      x[first + min(1u, last) * params.count],
      x[first + min(2u, last) * params.count],
    );
  }
  let bits = bitcast<vec3<u32>>(colour);
  good = good && isNumber(bits.x) && isNumber(bits.y) && isNumber(bits.z);
  if (!good) {
    y[p] = 0u;
    return;
  }
  if (params.mapped != 0u) {
    y[p] = roundByte(bits.x) | (roundByte(bits.y) << 8u) | (roundByte(bits.z) << 16u) | 0xff000000u;
  } else {
    y[p] = floorByte(bits.x) | (floorByte(bits.y) << 8u) | (floorByte(bits.z) << 16u) | 0xff000000u;
  }
}
