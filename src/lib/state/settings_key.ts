/** All settings of a picture as one text: equal settings, equal texts. Pictures among them are left out. */
import type { Parameters } from './generation.svelte';

/**
 * @param parameters start pictures, masks and control pictures do not count: those of live painting come from the
 * canvas, whose revision tells of changes. The seed does not either; live painting has its own.
 */
export function settingsKey(parameters: Parameters): string {
  return JSON.stringify(parameters, (key, value: unknown) =>
    key === 'init' || key === 'image' || key === 'mask' || key === 'seed' ? undefined : value,
  );
}
