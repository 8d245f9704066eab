/** An engine that draws nothing, for tests of what is around it: jobs last until they are told to end. */
import type { CompanionEngine } from '../../../src/companion/engine/companion_engine';
import type { CatalogueFile } from '../../../src/companion/engine/catalogue';
import type { AppError } from '../../../src/lib/base/errors';
import type { GenerateRequest, JobEvent, JobResult, ModelSource, ModelSummary } from '../../../src/lib/rpc/engine';

const MODEL = {
  name: 'tiny',
  hash: '',
  sizeStepPx: 8,
  defaults: {},
  controls: {},
} as unknown as ModelSummary;

export class FakeEngine {
  readonly opened: ModelSource[] = [];
  readonly requests: GenerateRequest[] = [];
  readonly interrupted: string[] = [];
  /** Jobs end at once unless this is set; then each waits for `release` or an interrupt. */
  slow = false;
  steps: readonly JobEvent[] = [];
  fail: AppError | undefined;
  files: CatalogueFile[] = [
    { id: 'tiny', file: 'tiny.safetensors', name: 'tiny', kind: 'checkpoint', sizeBytes: 1, metadata: {} },
    { id: 'other', file: 'other.safetensors', name: 'other', kind: 'checkpoint', sizeBytes: 1, metadata: {} },
  ];
  #waiting = new Map<string, (interrupted: boolean) => void>();

  get engine(): CompanionEngine {
    return this as unknown as CompanionEngine;
  }

  get running(): boolean {
    return this.#waiting.size > 0;
  }

  release(): void {
    for (const end of this.#waiting.values()) end(false);
  }

  async status() {
    return { backend: 'fake' };
  }
  async networks() {
    return [];
  }
  async countTokens(prompt: string) {
    return { count: prompt.split(' ').length, limit: 75 };
  }
  async catalogue() {
    return { files: this.files, skipped: [] };
  }
  async refresh() {}
  async openModel(source: ModelSource): Promise<ModelSummary> {
    this.opened.push(source);
    return { ...MODEL, id: source.kind === 'files' ? '' : source.id };
  }
  async interrupt(id: string) {
    this.interrupted.push(id);
    this.#waiting.get(id)?.(true);
  }
  async generate(id: string, request: GenerateRequest, onEvent: (event: JobEvent) => void): Promise<JobResult> {
    this.requests.push(request);
    for (const event of this.steps) onEvent(event);
    if (this.fail) throw this.fail;
    const interrupted = this.slow ? await new Promise<boolean>((resolve) => this.#waiting.set(id, resolve)) : false;
    this.#waiting.delete(id);
    const text = `${request.prompt}\nSteps: ${request.steps}, Sampler: Euler, Seed: ${request.seed}, Size: ${request.widthPx}x${request.heightPx}`;
    const image = {
      index: 0,
      widthPx: request.widthPx,
      heightPx: request.heightPx,
      seed: request.seed,
      infotext: text,
    };
    return {
      images: [{ ...image, file: new Blob(['picture'], { type: 'image/png' }) }],
      times: [],
      interrupted,
    } as unknown as JobResult;
  }
}

export async function until(what: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!what()) {
    if (Date.now() > deadline) throw new Error('it did not happen within 5 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
