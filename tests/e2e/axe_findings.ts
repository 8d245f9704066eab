/** What axe finds in a page or in one part of it, in the three looks, without a reload. */
import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';

const LOOKS = [
  { name: 'light', media: { colorScheme: 'light', forcedColors: 'none' } },
  { name: 'dark', media: { colorScheme: 'dark', forcedColors: 'none' } },
  { name: 'forced colours', media: { colorScheme: 'dark', forcedColors: 'active' } },
] as const;
const WCAG_22_AA = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

/** As much of axe's own interface as is called here. */
interface Axe {
  run(
    part: string,
    options: { readonly runOnly: readonly string[]; readonly resultTypes: readonly ['violations'] },
  ): Promise<{
    readonly violations: readonly { readonly id: string; readonly nodes: readonly { target: unknown[] }[] }[];
  }>;
}

/**
 * @param part selector of what axe looks at
 * @returns findings as `look: rule: elements`; the second and third look are asked for contrast alone, all other rules see
 *   the same in each
 */
export async function axeFindings(page: Page, part: string): Promise<readonly string[]> {
  // The builder hands axe's half megabyte to the page at every analysis; what it leaves there serves all that follow.
  if (!(await page.evaluate(() => 'axe' in window))) {
    await new AxeBuilder({ page }).setLegacyMode().include('title').withRules(['document-title']).analyze();
  }
  const found: string[] = [];
  for (const { name, media } of LOOKS) {
    // Colours that fade from one look to the next would be measured half-way.
    await page.emulateMedia({ ...media, reducedMotion: 'reduce' });
    const rules = name === 'light' ? WCAG_22_AA : ['color-contrast'];
    const faults = await page.evaluate(
      async ([part, runOnly]) => {
        // A new look reaches every element's colours with the next frame.
        for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
        const { axe } = window as unknown as { axe: Axe };
        const { violations } = await axe.run(part, { runOnly, resultTypes: ['violations'] });
        return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`);
      },
      [part, rules] as const,
    );
    found.push(...faults.map((fault) => `${name}: ${fault}`));
  }
  await page.emulateMedia(LOOKS[0].media);
  return found;
}
