/** Flat translation files of the web UIs, laid over texts by the rules of the golden set. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { overlayText, readOverlay } from '../../../src/lib/i18n/overlay';
import { fixturesDir, goldenGroup } from '../golden_dir';

interface Case {
  readonly id: string;
  readonly text: string;
  readonly where: 'text' | 'title' | 'placeholder';
  readonly parent: string;
  readonly ancestor_ids?: readonly string[];
  readonly expected: string;
}

const group = goldenGroup('text');
const index = group && join(group, 'localisation/localisation.json');
const file = fixturesDir && join(fixturesDir, 'localisation/zh_CN.json');

describe('flat translation files', () => {
  if (!index || !existsSync(index) || !file || !existsSync(file)) {
    it.skip('golden localisation cases or their translation file are not here', () => undefined);
    return;
  }
  const overlay = readOverlay(readFileSync(file, 'utf8'));
  const { cases } = JSON.parse(readFileSync(index, 'utf8')) as { cases: readonly Case[] };
  it.each(cases)('$id', ({ text, where, parent, ancestor_ids, expected }) => {
    const place = { where, parent, ancestorIds: ancestor_ids ?? [] };
    expect(overlayText(overlay, text, place)).toBe(expected);
  });
});
