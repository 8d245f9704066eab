/**
 * Half precision needs a driver that the browser's software adapter is not: a current Mesa lavapipe, through Dawn for Node.
 * Opt-in, since it must be installed and compiles for minutes: set VK_ICD_FILENAMES to its file (lvp_icd.json) and
 * LD_LIBRARY_PATH to the folder of its libraries and the Vulkan loader.
 */
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import type { RingLine } from '../../../kernels/dawn_ring';

const root = resolve(import.meta.dirname, '../../../..');

if (!process.env['VK_ICD_FILENAMES']) {
  it.skip('kernels in half precision: skipped, VK_ICD_FILENAMES names no Vulkan driver', () => undefined);
} else {
  it('computes the operator table in half precision within its bounds', async () => {
    const tsx = resolve(root, 'node_modules/.bin/tsx');
    const { stdout } = await promisify(execFile)(tsx, ['tests/kernels/dawn_ring.ts', 'half'], {
      cwd: root,
      maxBuffer: 2 ** 26,
    });
    const lines = stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as RingLine);
    const kernel = lines.find((line) => line.kind === 'kernel' && line.variant === 'gemm-half');
    if (kernel?.kind === 'kernel' && kernel.state === 'absent') {
      console.log(`skipped: the driver has no half precision (${kernel.reason})`);
      return;
    }
    const cases = lines.filter((line) => line.kind === 'case');
    expect(cases.length).toBeGreaterThan(40);
    expect(cases.filter(({ ok }) => !ok).map(({ message }) => message)).toEqual([]);
  }, 900_000);
}
