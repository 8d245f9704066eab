/** Programs made before the first picture: they are the ones that it takes, and change nothing of it. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { AppError } from '../../../src/lib/base/errors';
import { prepareModel } from '../../../src/lib/pipeline/prepare';
import { BASE } from './base_request';
import { openDefault, run, type Opened } from './harness';

let opened: Opened;
beforeAll(async () => {
  opened = await openDefault();
}, 60_000);
afterAll(() => opened.close());

it('a prepared model draws the same picture and compiles only what decodes it', async () => {
  const { model, backend } = opened;
  const request = { prompt: 'a red apple, 3d', steps: 3, widthPx: 64, heightPx: 64 };
  const { pictures } = await run(model, request);
  await model.dispose();
  const compile = vi.spyOn(backend, 'compile');
  const names = () => compile.mock.calls.map(([graph]) => graph.name);
  await prepareModel(model, { ...BASE, ...request }, {});
  expect(model.components).toHaveLength(2);
  const before = names().length;
  const again = await run(model, request);
  expect(names().slice(before)).toEqual([expect.stringContaining('decoder')]);
  expect(again.pictures[0]!.rgba).toEqual(pictures[0]!.rgba);
  compile.mockRestore();
});

it('leaves errors to the job', async () => {
  const { model, backend } = opened;
  await model.dispose();
  const refusal = new AppError('backend/compile', 'test: refused.');
  const compile = vi.spyOn(backend, 'compile').mockRejectedValue(refusal);
  await expect(prepareModel(model, BASE, {})).resolves.toBeUndefined();
  compile.mockRestore();
  expect(model.components).toEqual([]);
});
