/** What the parts of one running job share: what was opened once, and what they tell the host. */
import type { HookRunner } from '../extensions/api';
import type { JobStage } from '../rpc/engine';
import type { ControlUnit } from './control/control_set';
import { EmbeddingSet } from './embeddings';
import type { GenerateHost } from './generate';
import type { JobClock } from './job_clock';
import type { HiresSettings, JobSettings } from './job_settings';
import type { LoadedModel } from './loaded_model';
import { NetworkStacks } from './networks';
import type { StartPicture } from './start_picture';
import type { Upscaler } from './upscalers';

export interface JobParts {
  readonly host: GenerateHost;
  readonly hooks: HookRunner;
  readonly clock: JobClock;
}

export interface Size {
  readonly widthPx: number;
  readonly heightPx: number;
}

/** What hooks are told about every batch. */
export interface BatchFacts {
  readonly batch: number;
  readonly prompts: readonly string[];
  readonly seeds: readonly number[];
  readonly subseeds: readonly number[];
}

/** The second pass: its names, where it ends, and what enlarges for it. */
export interface HiresPlan extends HiresSettings {
  readonly size: Size;
  readonly cut: { readonly truncateX: number; readonly truncateY: number };
  readonly upscaler: Upscaler;
}

/** Opened before the first batch, for all of them. */
export interface Prepared {
  readonly start: StartPicture | undefined;
  readonly hires: HiresPlan | undefined;
  readonly refiner: LoadedModel | undefined;
  readonly control: readonly ControlUnit[];
}

export class JobContext {
  readonly model: LoadedModel;
  readonly settings: JobSettings;
  readonly parts: JobParts;
  readonly prepared: Prepared;
  readonly stacks: NetworkStacks;
  readonly embeddings: EmbeddingSet | undefined;
  /** Of the adapters that the last batch used, for the infotext. */
  loraHashes: ReadonlyMap<string, string> = new Map();
  readonly #notices = new Set<string>();

  constructor(model: LoadedModel, settings: JobSettings, parts: JobParts, prepared: Prepared) {
    this.model = model;
    this.settings = settings;
    this.parts = parts;
    this.prepared = prepared;
    this.stacks = parts.host.networks ?? new NetworkStacks();
    const { embeddings = [] } = parts.host;
    this.embeddings = embeddings.length > 0 ? new EmbeddingSet(embeddings) : undefined;
  }

  /** Time counts towards `stage` from now on. */
  enter(stage: JobStage): void {
    this.parts.clock.enter(stage);
  }

  tell(stage: JobStage, batch: number): void {
    tellStage(this.parts, this.settings, stage, batch);
  }

  /** Every batch would say the same again. */
  noticeOnce(code: string, message: string, details?: readonly string[]): void {
    if (this.#notices.has(message)) return;
    this.#notices.add(message);
    this.parts.host.onEvent({ kind: 'notice', code, message, ...(details ? { details } : {}) });
  }
}

export function tellStage({ host }: JobParts, { request }: JobSettings, stage: JobStage, batch: number): void {
  host.onEvent({ kind: 'stage', stage, batch, batches: request.batchCount });
}
