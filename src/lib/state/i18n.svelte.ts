/** The interface language: reactive texts and formats. */
import { en, type MessageKey, type Messages } from '../i18n/en';
import { chooseLocale, LOCALES, type LocaleDef } from '../i18n/locales';
import { formatBytes, formatDuration, translate, type MessageValues } from '../i18n/translate';

export class I18n {
  locale: LocaleDef = $state.raw(LOCALES[0]);
  #messages: Messages = $state.raw(en);

  t = (key: MessageKey, values?: MessageValues): string => translate(this.#messages, this.locale.id, key, values);
  duration = (ms: number): string => formatDuration(this.locale.id, ms);
  bytes = (bytes: number): string => formatBytes(this.locale.id, bytes);

  /** Switches the language; the old one stays until the new texts are there. */
  async use(wanted: readonly string[]): Promise<void> {
    const locale = chooseLocale(wanted);
    this.#messages = await locale.load();
    this.locale = locale;
    document.documentElement.lang = locale.id;
    document.documentElement.dir = locale.direction;
  }
}
