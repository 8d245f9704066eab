// Rows [channels, taps] as stored → [taps, channels filled up to a multiple of 4], elements of 1, 2 or 4 bytes as they are.
// Grid: one thread per word of the result, 256 per group.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  count: u32, // words of the result
  perWord: u32, // elements per word: 4, 2 or 1
  elements: u32, // of the result
  rowElems: u32, // elements of a row of the result
  channels: u32,
  taps: u32,
  start: u32, // first word of the result
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read> raw: array<u32>;
@group(0) @binding(1) var<storage, read_write> quants: array<u32>;

fn elementAt(e: u32) -> u32 {
  if (e >= params.elements) {
    return 0u;
  }
  let row = e / params.rowElems;
  let within = e % params.rowElems;
  let padded = params.rowElems / params.taps;
  let c = within % padded;
  if (c >= params.channels) {
    return 0u;
  }
  let at = (row * params.channels + c) * params.taps + within / padded;
  let bits = 32u / params.perWord;
  let word = raw[at / params.perWord] >> (bits * (at % params.perWord));
  return word & (0xffffffffu >> (32u - bits));
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = groupIndex(workgroup, groups) * 256u + local;
  if (i >= params.count) {
    return;
  }
  var word = 0u;
  for (var part = 0u; part < params.perWord; part++) {
    word |= elementAt(i * params.perWord + part) << (part * (32u / params.perWord));
  }
  quants[params.start + i] = word;
}
