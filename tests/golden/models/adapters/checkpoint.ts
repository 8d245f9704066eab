/** A whole checkpoint, part by part: text encoder, U-Net on its output, decoder. */
import type { HostTensor } from '../../../../src/lib/backends/backend';
import type { ClipConfig } from '../../../../src/lib/models/clip/config';
import { findPart, type Adapter } from '../adapter';
import { callClip } from './text';
import { callUNet } from './unet';
import { klDecode } from './vae';

export const checkpointAdapter: Adapter = {
  id: 'checkpoint',
  matches: (_family, goldenCase, inputs) =>
    ['token_ids', 'sample', 'timestep', 'latent'].every((name) => inputs.has(name)) && 'image' in goldenCase.expected,
  serves: (files) => ['denoiser', 'text-encoder', 'vae'].every((role) => findPart(files, role as never) !== undefined),
  async run(run): Promise<Record<string, HostTensor>> {
    const { hidden } = await callClip(run, run.part<ClipConfig>('text-encoder', 'clip'), run.input('token_ids'), {
      skip: 1,
      norm: true,
    });
    return {
      context: hidden,
      sample: await callUNet(run, run.input('sample'), run.input('timestep'), hidden),
      image: await klDecode(run, run.input('latent'), 'raw'),
    };
  },
};
