import { describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../../../src/lib/base/error_codes';
import { errorsEn } from '../../../src/lib/i18n/errors_en';
import { chooseLocale, LOCALES } from '../../../src/lib/i18n/locales';
import { en } from '../../../src/lib/i18n/en';
import { enLater } from '../../../src/lib/i18n/en_later';
import { layOver, missingFile, overlayText, readOverlay } from '../../../src/lib/i18n/overlay';
import { formatBytes, formatDuration, translate } from '../../../src/lib/i18n/translate';

const english = { ...en, ...enLater };

describe('texts', () => {
  it('have a title and a remedy for every error code', () => {
    for (const code of ERROR_CODES) {
      expect(errorsEn[code].title, code).not.toBe('');
      expect(errorsEn[code].remedy, code).not.toBe('');
    }
  });
  it('say every title and remedy of an error in every language', async () => {
    const sentences = new Set(Object.values(errorsEn).flatMap(({ title, remedy }) => [title, remedy]));
    for (const locale of LOCALES) {
      if (locale.id === 'en') continue;
      const said: Readonly<Record<string, string>> = await locale.loadErrors();
      for (const sentence of sentences) {
        expect(said[sentence], `${locale.id}: ${sentence}`).toBeTruthy();
        expect(said[sentence], locale.id).not.toBe(sentence);
      }
      expect(Object.keys(said).filter((sentence) => !sentences.has(sentence as never))).toEqual([]);
    }
  });
  it('use the plural forms of the language', async () => {
    const ru = await LOCALES.find(({ id }) => id === 'ru')!.load();
    const count = (n: number) => translate(ru, 'ru', 'gallery.count', { count: n });
    expect([count(1), count(3), count(5)]).toEqual(['1 картинка', '3 картинки', '5 картинок']);
    const ar = await LOCALES.find(({ id }) => id === 'ar')!.load();
    expect(translate(ar, 'ar', 'gallery.count', { count: 2 })).toBe('صورتان');
  });
  it('write numbers, times and sizes as the language does', () => {
    const text = (locale: string) =>
      translate({ ...english, 'gallery.count': '{count} of {name}' }, locale, 'gallery.count', {
        count: 12345,
        name: 'x',
      });
    expect([text('en'), text('de')]).toEqual(['12,345 of x', '12.345 of x']);
    const times = [400, 9_940, 59_000, 60_000, 125_000].map((ms) => formatDuration('en', ms));
    expect(times).toEqual(['0.4 sec', '9.9 sec', '59 sec', '1 min 0 sec', '2 min 5 sec']);
    const sizes = [0, 999, 1000, 14_900_000, 2_500_000_000].map((bytes) => formatBytes('en', bytes));
    expect(sizes).toEqual(['0 byte', '999 byte', '1 kB', '14.9 MB', '2.5 GB']);
  });
  it('choose the nearest language', () => {
    expect(chooseLocale(['pt-PT', 'en']).id).toBe('pt-BR');
    expect(chooseLocale(['de-AT']).id).toBe('de');
    expect(chooseLocale(['tlh']).id).toBe('en');
  });
});

describe('translation files of web UIs', () => {
  const overlay = readOverlay('{"Generate": "Los", "Seed": "", "rtl": true, "512": "x", " Steps ": "Schritte"}');
  it('are laid over texts that match exactly', () => {
    const { messages, used } = layOver(english, english, overlay);
    expect(messages['generate.start']).toBe('Los');
    expect(messages['params.seed']).toBe('Seed');
    expect(used).toBeGreaterThan(0);
    expect(overlay.rtl).toBe(true);
  });
  it('say which texts they lack, as a file to fill in; a translation must keep the values', () => {
    const kept = readOverlay(
      '{"Name of this sketch": "Titel", "Delete {name}": "{name} weg", "Result {seed}": "Ohne"}',
    );
    const { messages, missing } = layOver(english, english, kept);
    expect(messages['studio.document.delete']).toBe('{name} weg');
    expect(messages['studio.layer.result']).toBe('Result {seed}');
    expect(missing['studio.layer.result']).toBe('Result {seed}');
    expect(Object.keys(missing)).not.toContain('studio.document.name');
    const file = JSON.parse(missingFile(missing)) as Record<string, string>;
    expect(file['Result {seed}']).toBe('');
    expect(readOverlay(JSON.stringify({ ...file, Undo: 'Zurück' })).translations.get('Undo')).toBe('Zurück');
  });
  it('leave numbers and text areas alone', () => {
    expect(overlayText(overlay, '512')).toBe('512');
    expect(overlayText(overlay, 'Generate', { where: 'text', parent: 'TEXTAREA' })).toBe('Generate');
  });
  it.each(['', '[]', 'null', '"text"', '{'])('refuse %j', (json) => {
    expect(() => readOverlay(json)).toThrowError(expect.objectContaining({ code: 'argument/invalid' }) as Error);
  });
});
