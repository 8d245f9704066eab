/** What is wrong with the layout of the page as it is now: runs inside the page, returns findings in words. */
import type { Page } from '@playwright/test';

/** Least side of what a finger must hit, CSS pixels, less rounding. */
const TOUCH_PX = 43.5;

/**
 * @param options.touch also names controls that are too low for a finger
 * @returns scrolling sideways or of the page around the app, texts that leave their buttons, controls that lie on each other
 */
export function layoutFaults(page: Page, options: { readonly touch?: boolean } = {}): Promise<readonly string[]> {
  return page.evaluate(
    async ({ touch, touchPx }) => {
      // A size set a moment ago reaches observers, and what they measure, with the frames that follow.
      for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
      const faults: string[] = [];
      const main = document.querySelector('main');
      const wide = Math.max(
        document.documentElement.scrollWidth - innerWidth,
        (main?.scrollWidth ?? 0) - (main?.clientWidth ?? 0),
      );
      if (wide > 0) faults.push(`${wide} px stick out sideways`);
      const low = document.documentElement.scrollHeight - innerHeight;
      if (low > 0) faults.push(`the page around the app scrolls ${low} px`);
      const controls = [
        ...document.querySelectorAll<HTMLElement>(
          'button, a[href], select, textarea, summary, input:not([type=checkbox]):not([type=radio])',
        ),
      ].filter((element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true }));
      const name = (element: HTMLElement) =>
        `<${element.tagName.toLowerCase()} ${element.className}> ${(element.getAttribute('aria-label') ?? element.textContent ?? '').trim().slice(0, 40)}`;
      /** Only what can be hit now: the rest is scrolled away, below a dialog, or hidden behind its label. */
      const hit = controls.flatMap((element) => {
        const box = shownBox(element);
        const at = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
        return at && (element.contains(at) || at === element) ? [{ element, box }] : [];
      });
      // Also what is scrolled away.
      for (const element of controls) {
        const text = element.matches('button, a, summary');
        if (
          text &&
          element.scrollWidth > element.clientWidth + 2 &&
          getComputedStyle(element).overflowX === 'visible'
        ) {
          faults.push(`text leaves ${name(element)}`);
        }
        const { height } = element.getBoundingClientRect();
        if (touch && !element.matches('.skip, .visually-hidden') && height > 0 && height < touchPx) {
          faults.push(`${Math.round(height)} px high: ${name(element)}`);
        }
      }
      for (const [i, a] of hit.entries()) {
        for (const b of hit.slice(i + 1)) {
          if (a.element.contains(b.element) || b.element.contains(a.element)) continue;
          const width = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
          const height = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
          if (width > 4 && height > 4) faults.push(`${name(a.element)} lies on ${name(b.element)}`);
        }
      }
      return faults;

      /** The part of an element that its scrolling surroundings leave to be seen. */
      function shownBox(element: Element): DOMRect {
        let { left, top, right, bottom } = element.getBoundingClientRect();
        for (let around = element.parentElement; around; around = around.parentElement) {
          if (getComputedStyle(around).overflow === 'visible') continue;
          const box = around.getBoundingClientRect();
          [left, top] = [Math.max(left, box.left), Math.max(top, box.top)];
          [right, bottom] = [Math.min(right, box.right), Math.min(bottom, box.bottom)];
        }
        return new DOMRect(left, top, Math.max(0, right - left), Math.max(0, bottom - top));
      }
    },
    { touch: options.touch === true, touchPx: TOUCH_PX },
  );
}
