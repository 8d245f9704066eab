/** The interface language: reactive texts and formats. */
import type { ErrorCode } from '../base/error_codes';
import { toPlainError, type PlainError } from '../base/errors';
import { en, type MessageKey, type Messages } from '../i18n/en';
import type { ErrorSentence, ErrorSentences, ErrorText, errorsEn } from '../i18n/errors_en';
import { chooseLocale, LOCALES, type LocaleDef } from '../i18n/locales';
import { formatBytes, formatDuration, translate, type MessageValues } from '../i18n/translate';

export class I18n {
  locale: LocaleDef = $state.raw(LOCALES[0]);
  /** A translation file of a web UI laid over the texts of this visit. */
  overlay: { readonly name: string; readonly used: number; readonly missing: number; readonly list: Blob } | undefined =
    $state.raw();
  overlayError: PlainError | undefined = $state.raw();
  /** The texts that come with the page; those of what loads later follow at once, see `complete`. */
  #messages: Messages = $state.raw(en as Messages);
  #errors: typeof errorsEn | undefined = $state.raw();
  #sentences: ErrorSentences | undefined = $state.raw();
  #used = false;
  /** False while the texts of another language than English are on their way for the first time. */
  ready = $state(false);
  /** Resolves when every text is there; parts that load after the page wait for it. */
  readonly complete: Promise<void>;

  constructor() {
    const [english] = LOCALES;
    this.complete = english.load().then((messages) => {
      if (!this.#used) this.#messages = messages;
    });
  }

  t = (key: MessageKey, values?: MessageValues): string => translate(this.#messages, this.locale.id, key, values);
  /** Whether there is such a text, for keys that are made from names. */
  has = (key: string): key is MessageKey => Object.hasOwn(this.#messages, key);
  duration = (ms: number): string => formatDuration(this.locale.id, ms);
  bytes = (bytes: number): string => formatBytes(this.locale.id, bytes);
  /** Title and remedy of a code; stored errors may have codes of an older version. */
  error = (code: ErrorCode): ErrorText => {
    const errors: Partial<typeof errorsEn> | undefined = this.#errors;
    const text = errors?.[code] ?? errors?.['internal/unexpected'];
    if (!text) return { title: this.t('error.title'), remedy: '' };
    const say = (sentence: ErrorSentence): string => this.#sentences?.[sentence] ?? sentence;
    return { title: say(text.title), remedy: say(text.remedy) };
  };

  /**
   * The first language of a visit, before the preferences are read: nothing is shown in English first.
   * @param wanted BCP 47, the most wanted first
   */
  async begin(wanted: readonly string[]): Promise<void> {
    // Whatever happens to a language's files, the page opens.
    if (chooseLocale(wanted).id !== this.locale.id) await this.use(wanted).catch(() => undefined);
    this.ready = true;
  }

  /** Switches the language; the old one stays until the new texts are there. */
  async use(wanted: readonly string[]): Promise<void> {
    const locale: LocaleDef = chooseLocale(wanted);
    const [messages, { errorsEn }, sentences] = await Promise.all([
      locale.load(),
      import('../i18n/errors_en'),
      locale.loadErrors?.(),
    ]);
    this.#used = true;
    this.#messages = messages;
    this.#errors = errorsEn;
    this.#sentences = sentences;
    this.locale = locale;
    this.overlay = undefined;
    document.documentElement.lang = locale.id;
    document.documentElement.dir = locale.direction;
  }

  /** Lays a flat translation file over the texts; a file that cannot be read changes nothing. */
  async useOverlay(file: File): Promise<void> {
    try {
      const { layOver, missingFile, readOverlay } = await import('../i18n/overlay');
      const overlay = readOverlay(await file.text());
      const { messages, used, missing } = layOver(await LOCALES[0].load(), this.#messages, overlay);
      this.#messages = messages;
      const list = new Blob([missingFile(missing)], { type: 'application/json' });
      this.overlay = { name: file.name, used, missing: Object.keys(missing).length, list };
      this.overlayError = undefined;
      if (overlay.rtl) document.documentElement.dir = 'rtl';
    } catch (error) {
      this.overlayError = toPlainError(error);
    }
  }
}
