import { describe, expect, it } from 'vitest';
import { blockWeights } from '../../../src/lib/models/lora/block_weights';
import { extractNetworks, readLoras, strengthAt } from '../../../src/lib/prompt/extra_networks';

const read = (tag: string) => readLoras(extractNetworks(tag).tags)[0]!;

describe('strengths of adapters over the run', () => {
  it('reads points and interpolates between them', () => {
    const lora = read('<lora:x:0@0,1@0.5>');
    if (!('schedule' in lora) || !lora.schedule) throw new Error('no schedule');
    expect(lora).toMatchObject({ name: 'x', denoiser: 0, textEncoder: 0 });
    expect([0, 0.25, 0.5, 1].map((share) => strengthAt(lora.schedule!, share))).toEqual([0, 0.5, 1, 1]);
  });

  it('keeps text encoder and denoiser apart', () => {
    expect(read('<lora:x:0.4:1@0.2,0@1>')).toMatchObject({
      textEncoder: 0.4,
      denoiser: 1,
      schedule: [
        { at: 0.2, strength: 1 },
        { at: 1, strength: 0 },
      ],
    });
    expect(read('<lora:x:0.7@0.5>')).toEqual({ name: 'x', textEncoder: 0.7, denoiser: 0.7 });
  });

  it.each(['<lora:x:1@2,0@0>', '<lora:x:1,2>', '<lora:x:1@0@1>', '<lora:x:a@0>'])('refuses %s', (tag) => {
    expect(read(tag)).toMatchObject({ reason: 'not-a-number' });
  });
});

describe('block weights', () => {
  it('are read from the tag and meant for the blocks of the layout', () => {
    const list = Array.from({ length: 17 }, (_, i) => i / 100);
    const lora = read(`<lora:x:1:lbw=${list.join()}>`);
    expect(lora).toMatchObject({ blocks: list });
    const of = blockWeights(list)!;
    expect(of('down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q')).toBe(0.01); // IN01
    expect(of('down_blocks.2.attentions.1.proj_in')).toBe(0.06); // IN08
    expect(of('mid_block.attentions.0.proj_in')).toBe(0.07);
    expect(of('up_blocks.1.attentions.0.proj_in')).toBe(0.08); // OUT03
    expect(of('up_blocks.3.attentions.2.proj_out')).toBe(0.16); // OUT11
    expect(of('down_blocks.0.downsamplers.0.conv')).toBe(0); // IN03 is in no short list: BASE
  });

  it('know FLUX blocks, and no list of another length', () => {
    const of = blockWeights(Array.from({ length: 58 }, (_, i) => i))!;
    expect(of('transformer_blocks.18.attn.to_q')).toBe(19);
    expect(of('single_transformer_blocks.37.proj_out')).toBe(57);
    expect(blockWeights([1, 2, 3])).toBeUndefined();
  });
});
