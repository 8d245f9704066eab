/** The interface language: reactive texts and formats. */
import type { ErrorCode } from '../base/error_codes';
import { toPlainError, type PlainError } from '../base/errors';
import { en, type MessageKey, type Messages } from '../i18n/en';
import { errorsEn, type ErrorText, type ErrorTexts } from '../i18n/errors_en';
import { chooseLocale, LOCALES, type LocaleDef } from '../i18n/locales';
import { layOver, readOverlay } from '../i18n/overlay';
import { formatBytes, formatDuration, translate, type MessageValues } from '../i18n/translate';

/** Stored errors may have codes of an older version. */
const ENGLISH: Partial<ErrorTexts> = errorsEn;

export class I18n {
  locale: LocaleDef = $state.raw(LOCALES[0]);
  /** A translation file of a web UI laid over the texts of this visit. */
  overlay: { readonly name: string; readonly used: number } | undefined = $state.raw();
  overlayError: PlainError | undefined = $state.raw();
  #messages: Messages = $state.raw(en);
  #errors: Partial<ErrorTexts> = $state.raw(errorsEn);

  t = (key: MessageKey, values?: MessageValues): string => translate(this.#messages, this.locale.id, key, values);
  duration = (ms: number): string => formatDuration(this.locale.id, ms);
  bytes = (bytes: number): string => formatBytes(this.locale.id, bytes);
  /** Title and remedy of a code; English where the language has none. */
  error = (code: ErrorCode): ErrorText => this.#errors[code] ?? ENGLISH[code] ?? errorsEn['internal/unexpected'];

  /** Switches the language; the old one stays until the new texts are there. */
  async use(wanted: readonly string[]): Promise<void> {
    const locale: LocaleDef = chooseLocale(wanted);
    const [messages, errors] = await Promise.all([locale.load(), locale.loadErrors?.()]);
    this.#messages = messages;
    this.#errors = errors ?? errorsEn;
    this.locale = locale;
    this.overlay = undefined;
    document.documentElement.lang = locale.id;
    document.documentElement.dir = locale.direction;
  }

  /** Lays a flat translation file over the texts; a file that cannot be read changes nothing. */
  async useOverlay(file: File): Promise<void> {
    try {
      const overlay = readOverlay(await file.text());
      const { messages, used } = layOver(this.#messages, overlay);
      this.#messages = messages;
      this.overlay = { name: file.name, used };
      this.overlayError = undefined;
      if (overlay.rtl) document.documentElement.dir = 'rtl';
    } catch (error) {
      this.overlayError = toPlainError(error);
    }
  }
}
