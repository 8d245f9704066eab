/** The languages of the interface: one file each and one line here. Loaded when chosen, cached for offline use. */
import type { Messages } from './en';
import type { ErrorTexts } from './errors_en';

export interface LocaleDef {
  /** BCP 47. */
  readonly id: string;
  /** In the language itself. */
  readonly label: string;
  readonly direction: 'ltr' | 'rtl';
  readonly load: () => Promise<Messages>;
  /** Texts of error codes; English stands in for those it lacks. */
  readonly loadErrors?: () => Promise<Partial<ErrorTexts>>;
}

export const LOCALES = [
  { id: 'en', label: 'English', direction: 'ltr', load: () => import('./en').then((m) => m.en) },
  { id: 'de', label: 'Deutsch', direction: 'ltr', load: () => import('./de').then((m) => m.de) },
  { id: 'es', label: 'Español', direction: 'ltr', load: () => import('./es').then((m) => m.es) },
  { id: 'fr', label: 'Français', direction: 'ltr', load: () => import('./fr').then((m) => m.fr) },
  { id: 'pt-BR', label: 'Português (Brasil)', direction: 'ltr', load: () => import('./pt_br').then((m) => m.ptBR) },
  { id: 'ru', label: 'Русский', direction: 'ltr', load: () => import('./ru').then((m) => m.ru) },
  { id: 'ja', label: '日本語', direction: 'ltr', load: () => import('./ja').then((m) => m.ja) },
  { id: 'zh-CN', label: '简体中文', direction: 'ltr', load: () => import('./zh_cn').then((m) => m.zhCN) },
  { id: 'ar', label: 'العربية', direction: 'rtl', load: () => import('./ar').then((m) => m.ar) },
] as const satisfies readonly LocaleDef[];

export type LocaleId = (typeof LOCALES)[number]['id'];

/** The best of our languages for a list of wanted ones; English when none fits. */
export function chooseLocale(wanted: readonly string[]): LocaleDef {
  for (const tag of wanted) {
    const exact = LOCALES.find((locale) => locale.id.toLowerCase() === tag.toLowerCase());
    const language = LOCALES.find((locale) => locale.id.split('-')[0] === tag.split('-')[0]);
    const found = exact ?? language;
    if (found) return found;
  }
  return LOCALES[0];
}
