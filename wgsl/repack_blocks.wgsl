// Stored GGML blocks (and bitsandbytes codes) → words in element order, scales apart from them: each thread makes one word
// by the recipe of its place in the block. Recipes are BLOCK_LAYOUTS in src/lib/backends/webgpu/weights/block_layouts.ts,
// written by weights/repack_table.ts. Grid: one thread per word, quants first, then scales; 256 per group.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  blocks: u32,
  blockBytes: u32,
  quantWords: u32, // per block
  scaleWords: u32, // per block; 0: one binary16 per block, two per word, where `halves` is 1
  halves: u32,
  quantStart: u32, // word of the first block's quants
  scaleStart: u32, // word of the first block's scales
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read> raw: array<u32>;
// Of the quants, then of the scales.
@group(0) @binding(1) var<storage, read> recipes: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> quants: array<u32>;
@group(0) @binding(3) var<storage, read_write> scales: array<u32>;

// Blocks start at any byte.
fn wordAt(at: u32) -> u32 {
  let low = raw[at / 4u];
  let shift = 8u * (at & 3u);
  if (shift == 0u) {
    return low;
  }
  return (low >> shift) | (raw[at / 4u + 1u] << (32u - shift));
}
fn byteAt(at: u32) -> u32 {
  return (raw[at / 4u] >> (8u * (at & 3u))) & 255u;
}

fn nibblesOf(word: u32) -> u32 {
  let x = word & 0x0f0f0f0fu;
  let y = (x | (x >> 4u)) & 0x00ff00ffu;
  return (y | (y >> 8u)) & 0xffffu;
}
fn pairsOf(word: u32) -> u32 {
  let x = word & 0x03030303u;
  let y = (x | (x >> 6u)) & 0x000f000fu;
  return (y | (y >> 12u)) & 0xffu;
}
fn bitsOf(word: u32) -> u32 {
  let x = word & 0x01010101u;
  let y = (x | (x >> 7u)) & 0x00030003u;
  return (y | (y >> 14u)) & 0xfu;
}

// Bits 0..7: byte, 8..10: shift, 11: six bits instead of four, 12..19 and 20..22: the same of two higher bits, 23: they exist.
fn fieldOf(block: u32, code: u32) -> u32 {
  let low = byteAt(block + (code & 255u)) >> ((code >> 8u) & 7u);
  var value = low & select(15u, 63u, (code & 0x800u) != 0u);
  if ((code & 0x800000u) != 0u) {
    value |= ((byteAt(block + ((code >> 12u) & 255u)) >> ((code >> 20u) & 7u)) & 3u) << 4u;
  }
  return value;
}

fn wordOf(block: u32, recipe: vec4<u32>) -> u32 {
  let at = block + (recipe.x & 255u);
  let shift = (recipe.x >> 8u) & 7u;
  var word = 0u;
  switch recipe.x >> 28u {
    case 0u: { word = wordAt(at); }
    case 1u: { word = wordAt(at) & 0xffffu; }
    case 2u: { word = nibblesOf(wordAt(at) >> shift) | (nibblesOf(wordAt(at + 4u) >> shift) << 16u); }
    case 3u: {
      for (var i = 0u; i < 4u; i++) {
        word |= pairsOf(wordAt(at + 4u * i) >> shift) << (8u * i);
      }
    }
    case 4u: {
      for (var i = 0u; i < 8u; i++) {
        word |= bitsOf(wordAt(at + 4u * i) >> shift) << (4u * i);
      }
    }
    case 5u: {
      let pairs = wordAt(at);
      word = ((pairs >> 4u) & 0x0f0f0f0fu) | ((pairs & 0x0f0f0f0fu) << 4u);
    }
    default: {
      let minus = (recipe.x >> 24u) & 15u;
      for (var i = 0u; i < 4u; i++) {
        word |= ((fieldOf(block, recipe[i]) - 32u * minus) & 255u) << (8u * i);
      }
    }
  }
  return word;
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = groupIndex(workgroup, groups) * 256u + local;
  let quantCount = params.blocks * params.quantWords;
  if (i < quantCount) {
    let recipe = recipes[i % params.quantWords];
    quants[params.quantStart + i] = wordOf((i / params.quantWords) * params.blockBytes, recipe);
    return;
  }
  let j = i - quantCount;
  if (params.halves != 0u) {
    if (2u * j < params.blocks) {
      let at = 2u * j * params.blockBytes + (recipes[params.quantWords].x & 255u);
      let second = select(0u, wordAt(at + params.blockBytes) & 0xffffu, 2u * j + 1u < params.blocks);
      scales[params.scaleStart + j] = (wordAt(at) & 0xffffu) | (second << 16u);
    }
    return;
  }
  if (j < params.blocks * params.scaleWords) {
    let recipe = recipes[params.quantWords + j % params.scaleWords];
    scales[params.scaleStart + j] = wordOf((j / params.scaleWords) * params.blockBytes, recipe);
  }
}
