/** Words on a page that its language does not have: texts that nobody translated. */
import type { Page } from '@playwright/test';
import { LOCALES } from '../../src/lib/i18n/locales';
import { LATENT_UPSCALERS } from '../../src/lib/sampling/img2img/resample';
import { GUIDANCE_METHODS } from '../../src/lib/sampling/guidance/methods';
import { samplers } from '../../src/lib/sampling/registry';
import { schedules } from '../../src/lib/sampling/schedule_registry';
import { SHORTCUTS, shownKeys } from '../../src/lib/ui/shortcuts';

/** Names of methods, programs, formats and files, which are the same in every language. */
const NAMES = new Set([
  ...samplers.map(({ label }) => label),
  ...schedules.map(({ label }) => label),
  ...GUIDANCE_METHODS.map(({ label }) => label),
  ...Object.keys(LATENT_UPSCALERS),
  ...LOCALES.map(({ label }) => label),
  ...['Nearest', 'Bilinear', 'Bicubic', 'Lanczos', 'Anime4K x2'],
  ...[
    'Sketchforge',
    'tiny-icons',
    'onnxruntime-web',
    'onnxruntime-web (WebAssembly)',
    'WebGPU',
    'ControlNet',
    'ComfyUI',
  ],
  ...SHORTCUTS.map(({ id }) => shownKeys(id)),
  ...['CPU', 'Lora', 'LoRA', 'PNG', 'JPEG', 'WebP', 'PSD', 'http://localhost:7860'],
]);

/** Texts, labels and titles of a page in Arabic that have Latin words and no Arabic letter, names left out. */
export async function foreignWords(page: Page): Promise<readonly string[]> {
  const texts = await page.evaluate(() => {
    const found = new Set<string>();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const { parentElement, textContent } = walker.currentNode;
      if (!parentElement?.closest('script, style, kbd, code, [lang=en]')) found.add(textContent ?? '');
    }
    for (const element of document.querySelectorAll('*')) {
      for (const name of ['aria-label', 'aria-roledescription', 'aria-valuetext', 'title', 'placeholder', 'alt']) {
        found.add(element.getAttribute(name) ?? '');
      }
    }
    return [...found].map((text) => text.replace(/\s+/g, ' ').trim());
  });
  return texts.filter((text) => /[a-z]{3}/i.test(text) && !/\p{Script=Arabic}/u.test(text) && !NAMES.has(text));
}
