/**
 * When live painting generates: a pure reducer, events with timestamps in, commands out. It knows no clock, no job.
 * Rules after Krita AI Diffusion's live mode (poll 0.1 s; grace 0.25 s after the last edit when generation is slow;
 * never wait longer than 3 s; one job in flight; structural change detection), with two differences: a running job is
 * cancelled when its input is stale and finishing it is not worth the wait, and a resting pen gets a refined picture.
 */

/** Everything a live picture depends on; two equal inputs give the same picture. */
export interface LiveInput {
  /** Document revision. */
  readonly revision: number;
  /** Prompt, or a hash of everything textual. */
  readonly prompt: string;
  /** 0..1 */
  readonly strength: number;
  readonly seed: number;
  /** Hash of all other settings that change the picture. */
  readonly settings?: string | undefined;
}

export interface LiveConfig {
  readonly pollMs: number;
  /** Wait after the last edit, only when the average generation takes longer than `graceAboveMs`. */
  readonly graceMs: number;
  readonly graceAboveMs: number;
  /** Longest time that continuous editing may go without a picture. */
  readonly maxWaitMs: number;
  /** A stale job with at most this much left is finished: its picture comes sooner than that of a new one. */
  readonly finishWithinMs: number;
  /** Rest of pen and inputs before a refining job starts; undefined = never. */
  readonly refineAfterMs: number | undefined;
  /** Generations that the average covers. */
  readonly averageOver: number;
}

export const DEFAULT_LIVE: LiveConfig = {
  pollMs: 100,
  graceMs: 250,
  graceAboveMs: 1500,
  maxWaitMs: 3000,
  finishWithinMs: 250,
  refineAfterMs: 1000,
  averageOver: 10,
};

export type LiveJobKind = 'draft' | 'refine';

export type LiveEvent =
  /** The poll: what the inputs are now. Send it at the time of the last `wake`. */
  | { readonly type: 'tick'; readonly t: number; readonly input: LiveInput; readonly penDown: boolean }
  | {
      readonly type: 'step-done';
      readonly t: number;
      readonly jobId: number;
      readonly step: number;
      readonly steps: number;
    }
  | {
      readonly type: 'job-ended';
      readonly t: number;
      readonly jobId: number;
      readonly outcome: 'done' | 'failed' | 'cancelled';
    }
  /** The tab is hidden, the painter leaves, the area is too big. */
  | { readonly type: 'pause'; readonly t: number }
  | { readonly type: 'resume'; readonly t: number };

export type LiveCommand =
  | { readonly type: 'start'; readonly jobId: number; readonly kind: LiveJobKind; readonly input: LiveInput }
  | { readonly type: 'cancel'; readonly jobId: number }
  /** Send a tick at this time. */
  | { readonly type: 'wake'; readonly at: number };

interface RunningJob {
  readonly id: number;
  readonly kind: LiveJobKind;
  readonly input: LiveInput;
  readonly startedAt: number;
  readonly step: number;
  readonly steps: number | undefined;
  readonly cancelling: boolean;
}

export interface LiveState {
  readonly config: LiveConfig;
  readonly paused: boolean;
  readonly nextJobId: number;
  readonly job: RunningJob | undefined;
  /** Inputs at the last tick and when they last changed. */
  readonly seen: LiveInput | undefined;
  readonly changedAt: number;
  /** Earliest change that no delivered picture shows; undefined when all is shown. */
  readonly unseenSince: number | undefined;
  /** Earliest change after the start of the running job. */
  readonly changedSinceStart: number | undefined;
  /** What the last delivered pictures show. */
  readonly shown: LiveInput | undefined;
  readonly refined: LiveInput | undefined;
  /** An input that failed is not tried again until it changes. */
  readonly failed: LiveInput | undefined;
  /** Durations of the last complete drafts. */
  readonly durationsMs: readonly number[];
}

export interface LiveStep {
  readonly state: LiveState;
  readonly commands: readonly LiveCommand[];
}

export function beginLive(config: LiveConfig = DEFAULT_LIVE): LiveState {
  return {
    config,
    paused: false,
    nextJobId: 1,
    job: undefined,
    seen: undefined,
    changedAt: -Infinity,
    unseenSince: undefined,
    changedSinceStart: undefined,
    shown: undefined,
    refined: undefined,
    failed: undefined,
    durationsMs: [],
  };
}

/** Structural equality of inputs. */
export function sameLiveInput(a: LiveInput | undefined, b: LiveInput | undefined): boolean {
  if (!a || !b) return a === b;
  return (
    a.revision === b.revision &&
    a.prompt === b.prompt &&
    a.strength === b.strength &&
    a.seed === b.seed &&
    a.settings === b.settings
  );
}

/** Evaluations of the network that an img2img strength really runs: `int(strength·steps) + 1`, at most `steps`. */
export function liveEvaluations(strength: number, steps: number): number {
  return Math.min(steps, Math.floor(strength * steps) + 1);
}

/** A draft should come within this time of its stroke, if the device can. */
const DRAFT_BUDGET_MS = 1500;
/** Fewer runs of the network than this rarely show more than noise; few-step models may ask for fewer. */
const DRAFT_EVALUATIONS = { min: 2, max: 8 };

/**
 * How many steps a draft asks for, so that its runs of the network fit a second and a half on this device.
 * @param stepMs measured time of one run; undefined before the first picture
 * @param strength 0..1, decides how many of the steps really run
 * @param fullSteps what a refined picture asks for; a draft asks for no more
 */
export function draftStepCount(stepMs: number | undefined, strength: number, fullSteps: number): number {
  const affordable = stepMs === undefined || stepMs <= 0 ? UNMEASURED_EVALUATIONS : DRAFT_BUDGET_MS / stepMs;
  const { min, max } = DRAFT_EVALUATIONS;
  const wanted = Math.min(max, Math.max(min, Math.floor(affordable)));
  for (let steps = 1; steps < fullSteps; steps++) if (liveEvaluations(strength, steps) >= wanted) return steps;
  return fullSteps;
}

/** Before anything is measured: enough to be recognised, few enough for a slow device. */
const UNMEASURED_EVALUATIONS = 4;

/** Average of the last complete drafts in ms; 0 before the first. */
export function averageMs(state: LiveState): number {
  const { durationsMs } = state;
  return durationsMs.length === 0 ? 0 : durationsMs.reduce((sum, ms) => sum + ms, 0) / durationsMs.length;
}

export function reduceLive(state: LiveState, event: LiveEvent): LiveStep {
  switch (event.type) {
    case 'tick':
      return tick(state, event);
    case 'step-done':
      return { state: withJob(state, event.jobId, { step: event.step, steps: event.steps }), commands: [] };
    case 'job-ended':
      return jobEnded(state, event);
    case 'pause':
      return pause(state);
    case 'resume':
      return { state: { ...state, paused: false }, commands: [{ type: 'wake', at: event.t }] };
    default:
      return event satisfies never;
  }
}

function tick(before: LiveState, event: Extract<LiveEvent, { type: 'tick' }>): LiveStep {
  const { t, input } = event;
  const wake: LiveCommand = { type: 'wake', at: t + before.config.pollMs };
  const state = noteChange(before, input, t);
  if (state.paused) return { state, commands: [] };
  if (state.job) {
    if (!shouldCancel(state, state.job, t)) return { state, commands: [wake] };
    return {
      state: withJob(state, state.job.id, { cancelling: true }),
      commands: [{ type: 'cancel', jobId: state.job.id }, wake],
    };
  }
  const kind = nextKind(state, event);
  if (!kind) return { state, commands: [wake] };
  const job: RunningJob = {
    id: state.nextJobId,
    kind,
    input,
    startedAt: t,
    step: 0,
    steps: undefined,
    cancelling: false,
  };
  return {
    state: { ...state, job, nextJobId: job.id + 1, changedSinceStart: undefined },
    commands: [{ type: 'start', jobId: job.id, kind, input }, wake],
  };
}

function noteChange(state: LiveState, input: LiveInput, t: number): LiveState {
  if (sameLiveInput(state.seen, input)) return state;
  return {
    ...state,
    seen: input,
    changedAt: t,
    // Back to what is shown: nothing waits any more.
    unseenSince: sameLiveInput(state.shown, input) ? undefined : (state.unseenSince ?? t),
    changedSinceStart: state.changedSinceStart ?? t,
  };
}

function nextKind(state: LiveState, event: Extract<LiveEvent, { type: 'tick' }>): LiveJobKind | undefined {
  const { config } = state;
  const { t, input } = event;
  if (sameLiveInput(state.failed, input)) return undefined;
  if (!sameLiveInput(state.shown, input)) {
    const graceMs = averageMs(state) > config.graceAboveMs ? config.graceMs : 0;
    const rested = t - state.changedAt >= graceMs;
    const waitedEnough = state.unseenSince !== undefined && t - state.unseenSince >= config.maxWaitMs;
    return rested || waitedEnough ? 'draft' : undefined;
  }
  if (config.refineAfterMs === undefined || event.penDown || sameLiveInput(state.refined, input)) return undefined;
  return t - state.changedAt >= config.refineAfterMs ? 'refine' : undefined;
}

/**
 * A stale job is cancelled unless it is nearly done, or edits have gone without a picture for as long as one takes on
 * average (at most `maxWaitMs`): then it runs to its end, or continuous drawing would never show one. A refining job is
 * always worth cancelling.
 */
function shouldCancel(state: LiveState, job: RunningJob, t: number): boolean {
  if (job.cancelling || sameLiveInput(job.input, state.seen)) return false;
  if (job.kind === 'refine') return true;
  const average = averageMs(state);
  const patienceMs = Math.min(state.config.maxWaitMs, average === 0 ? Infinity : average);
  if (state.unseenSince !== undefined && t - state.unseenSince >= patienceMs) return false;
  return remainingMs(state, job, t) > state.config.finishWithinMs;
}

/** From the measured time per step of this job, else from the average; unknown counts as long. */
function remainingMs(state: LiveState, job: RunningJob, t: number): number {
  const elapsedMs = t - job.startedAt;
  if (job.steps !== undefined && job.step > 0) return (elapsedMs / job.step) * (job.steps - job.step);
  const average = averageMs(state);
  return average === 0 ? Infinity : Math.max(0, average - elapsedMs);
}

function jobEnded(state: LiveState, event: Extract<LiveEvent, { type: 'job-ended' }>): LiveStep {
  const { job, config } = state;
  if (!job || job.id !== event.jobId) return { state, commands: [] };
  const wake: LiveCommand[] = state.paused ? [] : [{ type: 'wake', at: event.t }];
  const idle: LiveState = { ...state, job: undefined, changedSinceStart: undefined };
  if (event.outcome === 'cancelled') return { state: idle, commands: wake };
  if (event.outcome === 'failed') return { state: { ...idle, failed: job.input }, commands: wake };
  const durationsMs =
    job.kind === 'draft'
      ? [...state.durationsMs, event.t - job.startedAt].slice(-config.averageOver)
      : state.durationsMs;
  return {
    state: {
      ...idle,
      durationsMs,
      shown: job.input,
      refined: job.kind === 'refine' ? job.input : state.refined,
      unseenSince: sameLiveInput(job.input, state.seen) ? undefined : state.changedSinceStart,
    },
    commands: wake,
  };
}

function pause(state: LiveState): LiveStep {
  const { job } = state;
  if (!job || job.cancelling) return { state: { ...state, paused: true }, commands: [] };
  return {
    state: { ...withJob(state, job.id, { cancelling: true }), paused: true },
    commands: [{ type: 'cancel', jobId: job.id }],
  };
}

function withJob(state: LiveState, jobId: number, change: Partial<RunningJob>): LiveState {
  return state.job?.id === jobId ? { ...state, job: { ...state.job, ...change } } : state;
}
