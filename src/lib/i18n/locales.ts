/** The languages of the interface: two files each and one line here. Loaded when chosen, cached for offline use. */
import type { FirstMessages, Messages } from './en';
import type { LaterMessages } from './en_later';
import type { ErrorSentences } from './errors_en';

export interface LocaleDef {
  /** BCP 47. */
  readonly id: string;
  /** In the language itself. */
  readonly label: string;
  readonly direction: 'ltr' | 'rtl';
  readonly load: () => Promise<Messages>;
  /** Titles and remedies of errors; English has its own in errors_en.ts. */
  readonly loadErrors?: () => Promise<ErrorSentences>;
}

/** The texts of the page and of what loads later, as one. */
async function join(first: Promise<FirstMessages>, later: Promise<LaterMessages>): Promise<Messages> {
  return { ...(await first), ...(await later) };
}

export const LOCALES = [
  {
    id: 'en',
    label: 'English',
    direction: 'ltr',
    load: () =>
      join(
        import('./en').then((m) => m.en),
        import('./en_later').then((m) => m.enLater),
      ),
  },
  {
    id: 'de',
    label: 'Deutsch',
    direction: 'ltr',
    load: () =>
      join(
        import('./de').then((m) => m.de),
        import('./de_later').then((m) => m.deLater),
      ),
    loadErrors: () => import('./errors_de').then((m) => m.errorsDe),
  },
  {
    id: 'es',
    label: 'Español',
    direction: 'ltr',
    load: () =>
      join(
        import('./es').then((m) => m.es),
        import('./es_later').then((m) => m.esLater),
      ),
    loadErrors: () => import('./errors_es').then((m) => m.errorsEs),
  },
  {
    id: 'fr',
    label: 'Français',
    direction: 'ltr',
    load: () =>
      join(
        import('./fr').then((m) => m.fr),
        import('./fr_later').then((m) => m.frLater),
      ),
    loadErrors: () => import('./errors_fr').then((m) => m.errorsFr),
  },
  {
    id: 'pt-BR',
    label: 'Português (Brasil)',
    direction: 'ltr',
    load: () =>
      join(
        import('./pt_br').then((m) => m.ptBR),
        import('./pt_br_later').then((m) => m.ptBRLater),
      ),
    loadErrors: () => import('./errors_pt_br').then((m) => m.errorsPtBR),
  },
  {
    id: 'ru',
    label: 'Русский',
    direction: 'ltr',
    load: () =>
      join(
        import('./ru').then((m) => m.ru),
        import('./ru_later').then((m) => m.ruLater),
      ),
    loadErrors: () => import('./errors_ru').then((m) => m.errorsRu),
  },
  {
    id: 'ja',
    label: '日本語',
    direction: 'ltr',
    load: () =>
      join(
        import('./ja').then((m) => m.ja),
        import('./ja_later').then((m) => m.jaLater),
      ),
    loadErrors: () => import('./errors_ja').then((m) => m.errorsJa),
  },
  {
    id: 'zh-CN',
    label: '简体中文',
    direction: 'ltr',
    load: () =>
      join(
        import('./zh_cn').then((m) => m.zhCN),
        import('./zh_cn_later').then((m) => m.zhCNLater),
      ),
    loadErrors: () => import('./errors_zh_cn').then((m) => m.errorsZhCN),
  },
  {
    id: 'ar',
    label: 'العربية',
    direction: 'rtl',
    load: () =>
      join(
        import('./ar').then((m) => m.ar),
        import('./ar_later').then((m) => m.arLater),
      ),
    loadErrors: () => import('./errors_ar').then((m) => m.errorsAr),
  },
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
