import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../src/lib/base/errors';
import { createClipTokenizer } from '../../../src/lib/tokenizers/clip';

const merges = readFileSync('static/tokenizers/clip.txt', 'utf8');
const clip = createClipTokenizer(merges);

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return error instanceof AppError ? error.code : 'untyped';
  }
  return 'none';
}

describe('CLIP tokenizer', () => {
  it('gives the well-known ids of a plain prompt', () => {
    expect(clip.encode('a photo of a cat')).toEqual([320, 1125, 539, 320, 2368]);
  });

  it('decodes to lower case with single spaces', () => {
    expect(clip.decode(clip.encode('  A Photo\n of Café 🐱'))).toBe('a photo of café 🐱');
  });

  it('keeps special tokens typed in the text', () => {
    expect(clip.encode('a<|endoftext|>b')).toEqual([320, 49407, 321]);
  });

  it('takes lone surrogates, empty text and a word of 100,000 letters', () => {
    expect(clip.encode('')).toEqual([]);
    expect(clip.encode('\ud800').length).toBeGreaterThan(0);
    expect(clip.encode('x'.repeat(100_000)).length).toBeGreaterThan(1000);
  });

  it('refuses a table that is cut off, foreign or too long with a typed error', () => {
    expect(codeOf(() => createClipTokenizer(merges.slice(0, 1000)))).toBe('tokenizer/vocabulary');
    expect(codeOf(() => createClipTokenizer('<html>no</html>'))).toBe('tokenizer/vocabulary');
    expect(codeOf(() => createClipTokenizer(`${merges}\ni n\n`))).toBe('tokenizer/vocabulary');
    expect(codeOf(() => createClipTokenizer(''))).toBe('tokenizer/vocabulary');
  });

  it('accepts the table with its version line and Windows line ends', () => {
    const windows = createClipTokenizer(`#version: 0.2\n${merges}`.replaceAll('\n', '\r\n'));
    expect(windows.encode('cat')).toEqual([2368]);
  });
});
