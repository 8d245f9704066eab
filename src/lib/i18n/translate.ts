/** Texts with values filled in. Pure. */
import type { MessageKey, Messages } from './en';

/** Making one takes longer than everything else here (30 to 100 µs); there are few of each. */
const kept = new Map<string, Intl.NumberFormat | Intl.PluralRules>();

function numbers(locale: string, options: Intl.NumberFormatOptions = {}): Intl.NumberFormat {
  const name = `${locale} ${JSON.stringify(options)}`;
  const format = kept.get(name);
  if (format instanceof Intl.NumberFormat) return format;
  const made = new Intl.NumberFormat(locale, options);
  kept.set(name, made);
  return made;
}

function plurals(locale: string): Intl.PluralRules {
  const rules = kept.get(locale);
  if (rules instanceof Intl.PluralRules) return rules;
  const made = new Intl.PluralRules(locale);
  kept.set(locale, made);
  return made;
}

export type MessageValues = Readonly<Record<string, string | number>>;

/**
 * The text of a key in one language. Numbers are written in the language's own way; `count` chooses a plural form.
 */
export function translate(messages: Messages, locale: string, key: MessageKey, values: MessageValues = {}): string {
  const message: Messages[MessageKey] | undefined = messages[key];
  // Texts of what loads after the page may still be on their way.
  if (message === undefined) return '';
  const count = Number(values['count'] ?? 0);
  const text = typeof message === 'string' ? message : (message[plurals(locale).select(count)] ?? message.other);
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === 'number' ? numbers(locale).format(value) : value;
  });
}

/** `3.4 s`, `2 min 05 s`. */
export function formatDuration(locale: string, ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 60) {
    const digits = seconds < 10 ? 1 : 0;
    return numbers(locale, {
      style: 'unit',
      unit: 'second',
      unitDisplay: 'short',
      maximumFractionDigits: digits,
    }).format(seconds);
  }
  const unit = (value: number, name: string) =>
    numbers(locale, { style: 'unit', unit: name, unitDisplay: 'short', maximumFractionDigits: 0 }).format(value);
  return `${unit(Math.floor(seconds / 60), 'minute')} ${unit(Math.floor(seconds % 60), 'second')}`;
}

/** `14.9 MB`: decimal units, as download sizes are written. */
export function formatBytes(locale: string, bytes: number): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  return numbers(locale, {
    style: 'unit',
    unit: units[power] ?? 'byte',
    unitDisplay: 'short',
    maximumFractionDigits: power < 2 ? 0 : 1,
  }).format(bytes / 1000 ** power);
}
