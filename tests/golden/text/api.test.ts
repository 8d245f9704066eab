/** The web UIs' API: every recorded request against the real server in this process, every route, every field. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { progressOf } from '../../../src/companion/engine/running_job';
import type { CompanionEngine } from '../../../src/companion/engine/companion_engine';
import { apiRoutes } from '../../../src/companion/sdapi/routes';
import type { ApiState } from '../../../src/companion/sdapi/state';
import { readFields, type Field } from '../../../src/companion/sdapi/field';
import { parseInfotext } from '../../../src/lib/infotext/grammar';
import { readPng } from '../../../src/lib/formats/png_text';
import { openEngine, startApiServer, type ApiExample, type ApiServer } from './api_server';
import { schemaProblems, type Schema } from './json_schema';
import { describeGolden, readJson, textPath } from './text_data';

interface Endpoint {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly request: Readonly<Record<string, GoldenField>>;
  readonly response_schema: string;
}

interface GoldenField {
  readonly type: string;
  readonly default?: unknown;
  readonly min?: number;
  readonly max?: number;
  readonly above?: number;
  readonly in?: 'query';
}

/** Golden types by the kind of our tables; lists of records are lists. */
const KINDS: Readonly<Record<string, Field['kind']>> = {
  string: 'string',
  integer: 'integer',
  number: 'number',
  boolean: 'boolean',
  array: 'array',
  object: 'object',
  'string[]': 'string[]',
  'base64 image': 'image',
};
const kindOf = (type: string): Field['kind'] => KINDS[type] ?? 'array';

/** A value that no field of a kind takes. */
const WRONG: Readonly<Record<Field['kind'], unknown>> = {
  string: 5,
  image: 5,
  integer: 'many',
  number: 'many',
  boolean: 'maybe',
  'string[]': [1],
  array: 'none',
  object: 'none',
};

const routes = apiRoutes({} as ApiState);
const exampleFile = textPath('api/examples.json');
const schemaFile = textPath('api/schemas.json');
const examples = exampleFile === undefined ? [] : readJson<{ examples: readonly ApiExample[] }>(exampleFile).examples;
const schemas =
  schemaFile === undefined ? {} : readJson<{ schemas: Readonly<Record<string, Schema>> }>(schemaFile).schemas;

let engine: CompanionEngine;
let server: ApiServer;

beforeAll(async () => {
  engine = await openEngine();
  server = await startApiServer(engine, examples);
});

afterAll(async () => {
  await server.close();
  await engine.dispose();
});

function checkSchema(name: string, value: unknown): void {
  const schema = schemas[name];
  if (schema) expect(schemaProblems(schema, value), name).toEqual([]);
}

describeGolden<{ endpoints: readonly Endpoint[] }>('api/endpoints.json', ({ endpoints }) => {
  describe.each(endpoints.map((endpoint) => [`${endpoint.method} ${endpoint.path}`, endpoint] as const))(
    '%s',
    (_, endpoint) => {
      const { method, path, request, response_schema } = endpoint;
      const route = routes.find((one) => one.method === method && one.path === path);
      const fields = Object.entries(request).filter(([name, field]) => field.in !== 'query' && !name.startsWith('<'));

      it('is a route', () => expect(route).toBeDefined());

      if (method === 'GET') {
        it('answers by its schema', async () => {
          const response = await server.ask({ method, path, request: null });
          expect(response.status).toBe(200);
          checkSchema(response_schema, await response.json());
        });
        return;
      }

      if (fields.length === 0) return;
      it('has every field with its type, default and limits', () => {
        const own = route?.fields ?? {};
        const defaults = readFields(own, {}).values as Readonly<Record<string, unknown>>;
        for (const [name, golden] of fields) {
          expect(own[name]?.kind, name).toBe(kindOf(golden.type));
          // A field without a default is one that must be given: the route decides.
          if ('default' in golden) expect(defaults[name], name).toEqual(golden.default);
          for (const bound of ['min', 'max', 'above'] as const) {
            if (golden[bound] !== undefined) expect(own[name]?.[bound], `${name} ${bound}`).toBe(golden[bound]);
          }
        }
      });

      it('refuses every field of a wrong type, by name', async () => {
        for (const [name, golden] of fields) {
          const response = await server.ask({ method, path, request: { [name]: WRONG[kindOf(golden.type)] } });
          expect(response.status, name).toBe(422);
          const body = (await response.json()) as { detail: readonly { loc: readonly string[] }[] };
          checkSchema('error', body);
          expect(body.detail.map(({ loc }) => loc)).toContainEqual(['body', name]);
        }
      });
    },
  );
});

interface GenerationAnswer {
  readonly images: readonly string[];
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly info: string;
}

type Info = Readonly<Record<string, unknown>> & {
  readonly all_seeds: readonly number[];
  readonly infotexts: readonly string[];
  readonly warnings: readonly string[];
};

/** Facts of `info` that the request alone decides; the others depend on the server's model and clock. */
const DECIDED = [
  'prompt',
  'all_prompts',
  'negative_prompt',
  'all_negative_prompts',
  'subseed_strength',
  'sampler_name',
  'cfg_scale',
  'steps',
  'batch_size',
  'denoising_strength',
  'index_of_first_image',
  'styles',
] as const;

const decodeBase64 = (text: string) => Uint8Array.from(Buffer.from(text.replace(/^data:.*?,/, ''), 'base64'));

/** Of the second pass where there is one; a picture painted in its masked part only keeps its own size. */
function pictureSize(request: Readonly<Record<string, unknown>>, info: Info): { widthPx: number; heightPx: number } {
  if (typeof request['mask'] === 'string' && request['inpaint_full_res'] !== false) {
    return readPng(decodeBase64(String((request['init_images'] as readonly unknown[])[0])));
  }
  const scale = request['enable_hr'] === true ? Number(request['hr_scale']) : 1;
  return { widthPx: Number(info['width']) * scale, heightPx: Number(info['height']) * scale };
}

function checkGeneration({ request, response }: ApiExample, answer: GenerationAnswer): void {
  const expected = response as GenerationAnswer;
  const [info, wanted] = [JSON.parse(answer.info) as Info, JSON.parse(expected.info) as Info];
  checkSchema('info', info);
  expect(answer.parameters).toEqual(expected.parameters);
  expect(answer.images).toHaveLength(expected.images.length);
  for (const name of DECIDED) expect(info[name], name).toEqual(wanted[name]);
  expect(info.all_seeds).toHaveLength(wanted.all_seeds.length);
  const given = request?.['seed'];
  if (typeof given === 'number' && given >= 0) expect(info.all_seeds).toEqual(wanted.all_seeds);
  const size = `${String(info['width'])}x${String(info['height'])}`;
  const asked = `${String(wanted['width'])}x${String(wanted['height'])}`;
  // A size that the model cannot draw is said, never silent.
  if (size !== asked) expect(info.warnings.join()).toContain(`Size ${asked} was drawn as ${size}`);
  expect(info.infotexts).toHaveLength(wanted.infotexts.length);
  for (const [i, text] of info.infotexts.entries()) {
    const [ours, theirs] = [text, wanted.infotexts[i] ?? ''].map((one) => new Map(parseInfotext(one).pairs));
    for (const key of ['Steps', 'Sampler', 'Schedule type']) expect(ours?.get(key), key).toBe(theirs?.get(key));
    expect(Number(ours?.get('CFG scale'))).toBe(Number(theirs?.get('CFG scale')));
    expect(Number(ours?.get('Seed'))).toBe(info.all_seeds[i]);
  }
  for (const [i, image] of answer.images.entries()) {
    expect(image).not.toMatch(/^data:/);
    const png = readPng(decodeBase64(image));
    expect(png.texts.find(({ keyword }) => keyword === 'parameters')?.text).toBe(info.infotexts[i]);
    const { widthPx, heightPx } = pictureSize(request ?? {}, info);
    expect([png.widthPx, png.heightPx]).toEqual([widthPx, heightPx]);
  }
}

/** Lists of what the product has: everything recorded must be in them, more may be. */
const SUPERSETS: Readonly<Record<string, string>> = {
  samplers: 'name',
  schedulers: 'name',
  'latent-upscale-modes': 'name',
};
/** Lists of what lies in the server's folders: exactly what was recorded. */
const EXACT = ['sd-models', 'sd-modules', 'sd-vae', 'prompt-styles', 'embeddings'];
/** What the product does not have is refused by name, whatever the original answers. */
const ABSENT = ['interrogate'];

async function checkExample(example: ApiExample, response: Response): Promise<void> {
  const last = example.path.replace('/sdapi/v1/', '');
  if (ABSENT.includes(last)) {
    expect(response.status).toBe(501);
    return;
  }
  expect(response.status).toBe(example.status);
  const body: unknown = await response.json();
  if (example.status >= 400) {
    checkSchema('error', body);
    expect(body).toMatchObject(example.response as object);
    return;
  }
  const endpoints = textPath('api/endpoints.json');
  const known = endpoints === undefined ? [] : readJson<{ endpoints: readonly Endpoint[] }>(endpoints).endpoints;
  const schema = known.find(({ method, path }) => method === example.method && path === example.path)?.response_schema;
  if (schema !== undefined) checkSchema(schema, body);
  if (example.response === null) expect(body).toBeNull();
  if (last === 'txt2img' || last === 'img2img') checkGeneration(example, body as GenerationAnswer);
  else if (last === 'png-info') expect(body).toEqual(example.response);
  else if (EXACT.includes(last)) expect(body).toEqual(example.response);
  else if (SUPERSETS[last] !== undefined) {
    for (const record of example.response as readonly object[]) expect(body).toContainEqual(record);
  } else if (last === 'loras' || last === 'upscalers') {
    const names = (rows: unknown) => (rows as readonly { name: string }[]).map(({ name }) => name);
    expect(names(body)).toEqual(expect.arrayContaining(names(example.response)));
  } else if (last.startsWith('extra-')) {
    const seen = (example.client_sees as { images?: readonly (readonly [number, number])[] } | undefined)?.images ?? [];
    const answer = body as { image?: string; images?: readonly string[] };
    const sizes = (answer.images ?? [answer.image ?? '']).map((image) => {
      const { widthPx, heightPx } = readPng(decodeBase64(image));
      return [widthPx, heightPx];
    });
    expect(sizes).toEqual(seen);
  }
}

describeGolden<{ examples: readonly ApiExample[] }>('api/examples.json', () => {
  it.each(examples.map((example) => [example.name, example] as const))('%s', async (_, example) => {
    const { response, status, method, path } = example;
    if (status === 401) {
      const guarded = await startApiServer(engine, examples, { basic: { user: 'user', password: 'pass' } });
      try {
        const refused = await guarded.ask(example, {});
        expect(refused.status).toBe(401);
        expect(await refused.json()).toMatchObject(response as object);
        for (const [name, value] of Object.entries(example.response_headers ?? {}))
          expect(refused.headers.get(name)).toBe(value);
        const basic = `Basic ${Buffer.from('user:pass').toString('base64')}`;
        expect((await guarded.ask(example, { Authorization: basic })).status).toBe(200);
      } finally {
        await guarded.close();
      }
      return;
    }
    const state = (response as { state?: Parameters<typeof progressOf>[0] } | null)?.state;
    if (state && state.job_count > 0) {
      // A moment of a running job: the formula is what was recorded.
      expect(progressOf(state)).toBeCloseTo((response as { progress: number }).progress, 9);
      checkSchema('progress', response);
      return;
    }
    await checkExample(example, await server.ask(example));
    if (path.endsWith('/options') && method === 'POST') {
      const now = (await (await server.ask({ method: 'GET', path, request: null })).json()) as Readonly<
        Record<string, unknown>
      >;
      expect(now).toMatchObject(example.request ?? {});
    }
  });
});
