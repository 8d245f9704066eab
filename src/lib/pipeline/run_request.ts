/** What a request asks for: a generation, a chain of them, or a plot of either. The entry for every host. */
import type { GenerateRequest, JobResult } from '../rpc/engine';
import { generate, type GenerateHost } from './generate';
import type { LoadedModel } from './loaded_model';
import { runLoopback } from './loopback';
import { runPlot } from './plot/run_plot';
import type { TextPainter } from './plot/text_painter';

export interface RunHost extends GenerateHost {
  /** Draws the labels of sheets; absent: they have none. */
  readonly paintText?: TextPainter;
  /** A model that `loadModel` gave is not needed any more. */
  readonly releaseModel?: (model: LoadedModel) => Promise<void>;
}

export type RunOne = (model: LoadedModel, request: GenerateRequest, host: RunHost) => Promise<JobResult>;

/** @throws AppError as `generate`, `runLoopback`, `runPlot` */
export function runRequest(model: LoadedModel, request: GenerateRequest, host: RunHost): Promise<JobResult> {
  return request.plot ? runPlot(model, request, request.plot, host, runChain) : runChain(model, request, host);
}

function runChain(model: LoadedModel, request: GenerateRequest, host: RunHost): Promise<JobResult> {
  const { loopback } = request;
  return loopback ? runLoopback(model, request, loopback, host) : generate(model, request, host);
}
