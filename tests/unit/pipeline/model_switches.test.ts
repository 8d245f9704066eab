/** Switches of the model that change where and how precisely things are computed. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Backend, CompileOptions, Program } from '../../../src/lib/backends/backend';
import { LoadedModel } from '../../../src/lib/pipeline/loaded_model';
import { openDefault, run, type Opened } from './harness';

let opened: Opened;
beforeAll(async () => {
  opened = await openDefault();
}, 60_000);
afterAll(() => opened.close());

/** A device in half precision: whatever decodes overflows there unless it is asked for in f32. */
function overflowing(backend: Backend): { backend: Backend; asked: (string | undefined)[] } {
  const asked: (string | undefined)[] = [];
  const compile = async (...[graph, weights, options]: Parameters<Backend['compile']>): Promise<Program> => {
    const program = await backend.compile(graph, weights, options);
    if (!graph.name.includes('decoder')) return program;
    asked.push(options?.precision);
    return options?.precision === 'f32' ? program : replaced(program, { run: allNaN(program, backend) });
  };
  return { backend: replaced(backend, { roundsToHalf: true, compile }), asked };
}

/** The same object with some members of others. */
function replaced<T extends object>(target: T, members: Partial<T>): T {
  return new Proxy(target, {
    get(object, name) {
      if (name in members) return members[name as keyof T];
      const value: unknown = Reflect.get(object, name, object);
      return typeof value === 'function' ? (value.bind(object) as unknown) : value;
    },
  });
}

function allNaN(program: Program, backend: Backend): Program['run'] {
  return async (...args) => {
    const outputs = await program.run(...args);
    return Object.fromEntries(
      Object.entries(outputs).map(([name, tensor]) => {
        const { shape } = tensor;
        tensor.dispose();
        const data = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(NaN);
        return [name, backend.upload({ shape, data })];
      }),
    );
  };
}

function on(backend: Backend): LoadedModel {
  const { detected, tokenizers } = opened.model;
  return new LoadedModel({ detected, backend, tokenizers, id: 'default', name: 'default', hash: '' });
}

it('an autoencoder that overflows in half precision is repeated in f32, and stays there', async () => {
  const { backend, asked } = overflowing(opened.backend);
  const model = on(backend);
  const expected = (await run(opened.model, {})).pictures[0]!;
  const { pictures, result } = await run(model, { batchCount: 2 });
  expect(pictures[0]!.rgba).toEqual(expected.rgba);
  expect(asked).toEqual([undefined, 'f32'] satisfies CompileOptions['precision'][]);
  expect(result.telemetry?.measures?.join()).toContain('repeated in f32');
  await model.dispose();
});

it('the autoencoder is held to the precision that was chosen', async () => {
  const { backend, asked } = overflowing(opened.backend);
  const model = on(backend);
  await run(model, { modelOptions: { vaePrecision: 'f32' } });
  expect(asked).toEqual(['f32']);
  await expect(run(model, { modelOptions: { vaePrecision: 'f16' } })).rejects.toMatchObject({
    code: 'job/non-finite',
  });
  await model.dispose();
});

it('text encoders leave the device after encoding where that is chosen', async () => {
  const model = on(opened.backend);
  const encoders = () => model.components.filter((name) => name.startsWith('text ')).length;
  const plain = await run(model, {});
  expect(encoders()).toBe(1);
  const freed = await run(model, { prompt: 'a blue car', modelOptions: { freeTextEncoders: 'free' } });
  expect(encoders()).toBe(0);
  expect(freed.latents[0]!.shape).toEqual(plain.latents[0]!.shape);
  const kept = await run(model, { prompt: 'a blue car', modelOptions: { freeTextEncoders: 'keep' } });
  expect(kept.latents[0]!.data).toEqual(freed.latents[0]!.data);
  await model.dispose();
});
