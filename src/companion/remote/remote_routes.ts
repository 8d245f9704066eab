/** The engine for pages: `src/lib/rpc/http_engine.ts` is the other side. */
import { AppError, toPlainError } from '../../lib/base/errors';
import {
  COMPANION_PATHS,
  FRAME_TYPE,
  MAX_FRAME_BYTES,
  type CompanionHello,
  type CompanionModel,
  type RemoteAnswer,
  type RemoteMethod,
} from '../../lib/rpc/companion';
import type { GenerateRequest, JobEvent, ModelSource, UpscaleRequest } from '../../lib/rpc/engine';
import { encodeFrame, FrameReader } from '../../lib/rpc/frame';
import type { QueuePolicy } from '../../lib/rpc/job_queue';
import { filesOf } from '../engine/catalogue';
import type { Desk } from '../engine/desk';
import { HttpError } from '../server/http_error';
import { json, type Call, type Reply, type Route } from '../server/route';

type Emit = (event: JobEvent) => void;
type Handle = (desk: Desk, args: readonly unknown[], call: Call, emit: Emit) => Promise<unknown>;

let opens = 0;

/** Calls that use the engine's time wait for their turn at the desk; the others are answered at once. */
const METHODS: Readonly<Record<RemoteMethod, Handle>> = {
  status: (desk) => desk.engine.status(),
  networks: (desk) => desk.engine.networks(),
  countTokens: (desk, [prompt]) => desk.engine.countTokens(textOf(prompt, 'prompt')),
  interrupt: async (desk, [jobId], { client }) => desk.cancel(client, textOf(jobId, 'job id')),
  openModel: (desk, [source], { client, signal }, emit) =>
    desk.run(
      { id: `open ${++opens}`, client, policy: 'queue', facts: { label: 'open model', count: 1 }, gone: signal },
      (turn) => turn.openModel(sourceOf(source), emit),
    ),
  upscalers: (desk) => desk.engine.upscalers(),
  upscale: (desk, [jobId, request], { client, signal }, emit) => {
    const id = textOf(jobId, 'job id');
    const facts = { label: 'upscale', count: 1, taskId: id };
    const engineId = `${client} ${id}`;
    return desk.run({ id, client, policy: 'queue', facts, gone: signal }, ({ signal: stop }) => {
      stop.addEventListener('abort', () => void desk.engine.interrupt(engineId), { once: true });
      return desk.engine.upscale(engineId, request as UpscaleRequest, emit);
    });
  },
  generate: (desk, [jobId, request, , policy], { client, signal }, emit) =>
    desk.run(
      {
        id: textOf(jobId, 'job id'),
        client,
        policy: policyOf(policy),
        facts: { label: 'app', count: 1, taskId: textOf(jobId, 'job id') },
        gone: signal,
      },
      async (job) => {
        const asked = requestOf(request);
        const source = desk.sourceOf(asked.modelId);
        if (!source)
          throw new AppError('storage/not-found', `model ${asked.modelId}: was not opened here; open it again.`);
        await job.openModel(source, emit);
        const result = await job.generate(asked, emit);
        if (!result) throw new AppError('job/cancelled', 'job: it was stopped before there was a picture.');
        return result;
      },
    ),
};

/** @returns routes of the page's engine, its greeting and its list of models */
export function remoteRoutes(desk: Desk, version: string): Route[] {
  const hello: CompanionHello = { app: 'sketchforge', version };
  const engine = (Object.entries(METHODS) as [RemoteMethod, Handle][]).map(([method, handle]): Route => ({
    method: 'POST',
    path: `${COMPANION_PATHS.engine}/${method}`,
    body: 'bytes',
    maxBodyBytes: MAX_FRAME_BYTES,
    handle: (call) => streamed(desk, handle, call),
  }));
  return [
    ...engine,
    {
      method: 'GET',
      path: COMPANION_PATHS.hello,
      body: 'none',
      maxBodyBytes: 0,
      open: true,
      handle: () => json(hello),
    },
    {
      method: 'GET',
      path: COMPANION_PATHS.models,
      body: 'none',
      maxBodyBytes: 0,
      handle: async () => json(await modelsOf(desk)),
    },
  ];
}

async function modelsOf(desk: Desk): Promise<CompanionModel[]> {
  const catalogue = await desk.engine.catalogue();
  return filesOf(catalogue, 'model').map(({ id, name, builtin, family, sizeBytes }) => ({
    id,
    name,
    builtin: builtin ?? false,
    sizeBytes,
    ...(family === undefined ? {} : { family }),
  }));
}

function streamed(desk: Desk, handle: Handle, call: Call): Reply {
  const args = argsOf(call.body);
  return { kind: 'stream', type: FRAME_TYPE, chunks: answers((emit) => handle(desk, args, call, emit)) };
}

/**
 * Events as they come, then the result or the error. A reader that is slower than the engine gets the newest step
 * only: older ones, with their previews, are out of date by then.
 */
async function* answers(work: (emit: Emit) => Promise<unknown>): AsyncGenerator<Uint8Array> {
  let waiting: JobEvent[] = [];
  let wake: (() => void) | undefined;
  let last: RemoteAnswer | undefined;
  const emit: Emit = (event) => {
    if (event.kind === 'step') waiting = waiting.filter(({ kind }) => kind !== 'step');
    waiting.push(event);
    wake?.();
  };
  void work(emit)
    .then(
      (result) => (last = { kind: 'result', result }),
      (error: unknown) => (last = { kind: 'error', error: plainOf(error) }),
    )
    .finally(() => wake?.());
  for (;;) {
    const events = waiting;
    waiting = [];
    for (const event of events) yield encodeFrame({ kind: 'event', event } satisfies RemoteAnswer);
    if (waiting.length > 0) continue;
    if (last) break;
    await new Promise<void>((resolve) => (wake = resolve));
    wake = undefined;
  }
  yield encodeFrame(last);
}

/** Stacks and causes stay on this machine. */
function plainOf(error: unknown): ReturnType<typeof toPlainError> {
  if (error instanceof HttpError) return toPlainError(new AppError('companion/refused', error.message));
  const { code, message, details } = toPlainError(error);
  return { code, message, details };
}

function argsOf(body: unknown): readonly unknown[] {
  const frames = new FrameReader(MAX_FRAME_BYTES);
  let values: unknown[];
  try {
    values = frames.push(body as Uint8Array);
  } catch (error) {
    throw new HttpError(422, error instanceof AppError ? error.message : 'Bad frame');
  }
  const [call] = values;
  const args = typeof call === 'object' && call !== null && 'args' in call ? call.args : undefined;
  if (values.length !== 1 || frames.pendingBytes > 0 || !Array.isArray(args)) throw new HttpError(422, 'Bad frame');
  return args as readonly unknown[];
}

function textOf(value: unknown, name: string): string {
  if (typeof value === 'string' && value.length <= 100_000) return value;
  throw new AppError('argument/invalid', `${name}: must be a text.`);
}

function policyOf(value: unknown): QueuePolicy {
  return value === 'latest' ? 'latest' : 'queue';
}

/** The pipeline checks every field's value; here only what the desk itself reads. */
function requestOf(value: unknown): GenerateRequest {
  if (typeof value === 'object' && value !== null && typeof (value as GenerateRequest).modelId === 'string') {
    return value as GenerateRequest;
  }
  throw new AppError('argument/invalid', 'request: must name a model.');
}

function sourceOf(value: unknown): ModelSource {
  const source = value as { kind?: unknown; id?: unknown; modules?: unknown } | null;
  const { kind, id, modules } = source ?? {};
  if ((kind === 'builtin' || kind === 'stored') && typeof id === 'string') {
    const names = Array.isArray(modules) ? modules.filter((name): name is string => typeof name === 'string') : [];
    return { kind, id, ...(names.length > 0 ? { modules: names } : {}) };
  }
  throw new AppError('argument/invalid', 'model source: must name a model of the companion.');
}
