/** The command as a process: exit codes, and what stands on stderr. Every run starts Node, so there are few. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { encodePng } from '../../../src/companion/node_images';
import { readPng } from '../../../src/lib/formats/png_text';

const root = resolve(import.meta.dirname, '../../..');
const folder = mkdtempSync(join(tmpdir(), 'sketchforge-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** @param stopAt  text on stderr or stdout after which the process is interrupted, as by Ctrl+C */
function generate(words: readonly string[], stopAt?: string): Promise<Ended> {
  return new Promise((done) => {
    const child = spawn(process.execPath, ['--import', 'tsx', 'src/companion/generate.ts', ...words], { cwd: root });
    let [out, err] = ['', ''];
    const heard = (text: string) => {
      if (stopAt !== undefined && text.includes(stopAt)) child.kill('SIGINT');
    };
    child.stdout.on('data', (bytes: Buffer) => heard((out += bytes.toString())));
    child.stderr.on('data', (bytes: Buffer) => heard((err += bytes.toString())));
    child.on('close', (code) => done({ code, out, err }));
  });
}

describe('npm run generate', () => {
  it('0: a picture, and facts as JSON', async () => {
    const words = ['--prompt', 'a red apple, 3d', '--steps', '2', '--seed', '5', '--out', at('a.png')];
    const { code, out, err } = await generate([...words, '--json', at('a.json')]);
    expect(err).not.toContain('internal/');
    expect(code).toBe(0);
    expect(out).toContain('seed 5');
    const report = JSON.parse(readFileSync(at('a.json'), 'utf8')) as Record<string, unknown>;
    expect(report).toMatchObject({
      backend: expect.stringMatching(/^onnx-/) as string,
      model: { name: 'tiny-icons' },
      interrupted: false,
      request: { prompt: 'a red apple, 3d', steps: 2, seed: 5 },
      images: [{ seed: 5, widthPx: 128, heightPx: 128 }],
    });
    const times = report['times'] as { stage: string; ms: number }[];
    expect(times.map(({ stage }) => stage)).toEqual(expect.arrayContaining(['load', 'encode', 'denoise', 'decode']));
    expect(report['peakRssBytes']).toBeGreaterThan(0);
    const [image] = report['images'] as { infotext: string }[];
    expect(readPng(readFileSync(at('a.png'))).texts[0]?.text).toBe(image?.infotext);
  });

  it('1: a file that is missing, is no model, or cannot be written', async () => {
    writeFileSync(at('picture.png'), encodePng({ widthPx: 8, heightPx: 8, rgba: new Uint8ClampedArray(256) }));
    const words = ['--prompt', 'a', '--out', at('b.png')];
    const missing = await generate([...words, '--model', at('nothing.safetensors')]);
    expect(missing).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^file\/unreadable: .*nothing.*check/m) as string,
    });
    const foreign = await generate([...words, '--model', at('picture.png')]);
    expect(foreign).toMatchObject({ code: 1, err: expect.stringMatching(/^file\/unknown-format: .*PNG/m) as string });
    const nowhere = await generate(['--prompt', 'a', '--out', at('no/such/folder/b.png')]);
    expect(nowhere).toMatchObject({ code: 1, err: expect.stringMatching(/^file\/unwritable: .*folder/m) as string });
    // A refusal is a sentence, not a stack.
    for (const { err } of [missing, foreign, nowhere]) expect(err).not.toMatch(/^\s+at /m);
  });

  it('1: a size that the model cannot make names the nearest one', async () => {
    const { code, err } = await generate(['--prompt', 'a', '--out', at('c.png'), '--width', '100']);
    expect(code).toBe(1);
    expect(err).toMatch(/^argument\/invalid: width.*nearest: \d+/m);
  });

  it('2: an option that does not exist, a value out of range', async () => {
    const unknown = await generate(['--prompt', 'a', '--out', at('d.png'), '--stepz', '3']);
    expect(unknown.code).toBe(2);
    expect(unknown.err).toContain('--stepz is not an option');
    expect(unknown.err).toContain('--steps');
    const range = await generate(['--prompt', 'a', '--out', at('d.png'), '--steps', '9999']);
    expect(range.code).toBe(2);
    expect(range.err).toContain('1..150');
  });

  it('130: Ctrl+C', async () => {
    const many = ['--prompt', 'a', '--out', at('e.png'), '--steps', '4', '--batch-count', '200'];
    const { code, out } = await generate(many, '4/4');
    expect(code).toBe(130);
    // What existed is kept.
    expect(out).toContain('e.png');
  });
});
