/** Short messages that go away by themselves, some with one action such as Undo. */
import type { MessageKey } from '../i18n/en';
import type { MessageValues } from '../i18n/translate';

export interface Toast {
  readonly id: number;
  readonly key: MessageKey;
  readonly values?: MessageValues;
  readonly action?: { readonly key: MessageKey; readonly run: () => void };
  readonly bad?: boolean;
}

const SHOWN_MS = 8000;

export class Toasts {
  items: readonly Toast[] = $state.raw([]);
  #count = 0;

  /** @returns a promise that resolves when the toast is gone, true when its action was taken */
  show(toast: Omit<Toast, 'id'>): Promise<boolean> {
    const id = ++this.#count;
    return new Promise((resolve) => {
      const end = (acted: boolean) => {
        clearTimeout(timer);
        this.items = this.items.filter((item) => item.id !== id);
        resolve(acted);
      };
      const timer = setTimeout(() => end(false), SHOWN_MS);
      const { action } = toast;
      const run = () => {
        action?.run();
        end(true);
      };
      this.items = [...this.items.slice(-2), { ...toast, id, ...(action ? { action: { ...action, run } } : {}) }];
    });
  }

  dismiss(id: number): void {
    this.items = this.items.filter((item) => item.id !== id);
  }
}
