/** Example: `{seed}` in a prompt becomes the seed of the batch's first picture. */
import { EXTENSION_API_VERSION, type Extension } from '../api';

export const seedInPrompt: Extension = {
  id: 'seed-in-prompt',
  label: 'Seed in the prompt',
  apiVersion: EXTENSION_API_VERSION,
  hooks: {
    beforeBatch(payload) {
      const seed = String(payload.seeds[0] ?? '');
      payload.prompt = payload.prompt.replaceAll('{seed}', seed);
      payload.negativePrompt = payload.negativePrompt.replaceAll('{seed}', seed);
    },
  },
};
