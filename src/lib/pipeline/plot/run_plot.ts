/** X/Y/Z plots: one generation for every cell, all of them on one sheet. */
import { AppError } from '../../base/errors';
import { planPlot, plotPairs, type PlotPlan, type PlotSide } from '../../plot/plan';
import type { GeneratedImage, GenerateRequest, JobResult, PixelImage, PlotRequest } from '../../rpc/engine';
import { imageGrid } from '../image_grid';
import { addPairs, JobSeries } from '../job_series';
import { jobSettings } from '../job_settings';
import type { LoadedModel } from '../loaded_model';
import type { RunHost, RunOne } from '../run_request';
import { savePicture } from '../save_picture';
import { drawSheet, joinSheets, sheetScale, shrink } from './sheet';

/** What ends a plot: the other cells would fail the same way. */
const FATAL = /^(backend\/device-lost|job\/(cancelled|superseded)|internal\/)/;

/** A finished cell: what the sheet shows, and what its infotext says. */
interface CellResult {
  readonly picture: PixelImage;
  readonly seed: number;
  readonly infotext: string;
}

/**
 * Runs a plot. Everything that can be checked is checked before the first cell; a cell that fails later stays grey and
 * is named in a notice. A stopped plot gives the sheet of what exists.
 * @throws AppError as `planPlot` and `generate`; 'job/cancelled' when stopped before the first picture
 */
export async function runPlot(
  model: LoadedModel,
  request: GenerateRequest,
  plot: PlotRequest,
  host: RunHost,
  runOne: RunOne,
): Promise<JobResult> {
  if (!(Number.isInteger(plot.marginPx) && plot.marginPx >= 0 && plot.marginPx <= 500)) {
    throw new AppError('argument/invalid', `plot margin: must be a whole number in 0..500, got ${plot.marginPx}.`);
  }
  const plan = planPlot(request, plot, () => host.randomSeed());
  for (const { request: own } of plan.cells) {
    if (own.modelId === request.modelId) jobSettings(own, model.detected, () => 0);
  }
  const parts = new JobSeries(host, plot.keepPictures);
  const cells = new Map<string, CellResult>();
  const opened = new CellModels(model, request.modelId, host);
  let [interrupted, scale] = [false, 0];
  let failure: unknown;
  try {
    for (const [i, cell] of plan.cells.entries()) {
      if (host.signal?.aborted) break;
      host.onEvent({ kind: 'cell', cell: i + 1, cells: plan.cells.length, labels: cell.labels });
      try {
        const owner = await opened.open(cell.request.modelId);
        const { result, pictures } = await parts.run((own) => runOne(owner, cell.request, { ...host, ...own }));
        const [first] = result.images;
        if (first && pictures.length > 0) {
          const whole =
            pictures.length === 1 ? pictures[0] : imageGrid(pictures, Math.ceil(Math.sqrt(pictures.length)));
          if (!whole) continue;
          scale ||= sheetScale(whole, plan.counts.x, plan.counts.y * plan.counts.z);
          cells.set(key(cell.at), { picture: shrink(whole, scale), seed: first.seed, infotext: first.infotext });
        }
        if (result.interrupted) break;
      } catch (error) {
        failure ??= error;
        if (!(error instanceof AppError) || FATAL.test(error.code)) throw error;
        host.onEvent({ kind: 'notice', code: error.code, message: `${cell.labels.join(', ')}: ${error.message}` });
      }
    }
  } catch (error) {
    const stopped = error instanceof AppError && error.code === 'job/cancelled';
    if (!stopped || cells.size === 0) throw error;
    interrupted = true;
  } finally {
    await opened.close();
  }
  interrupted ||= host.signal?.aborted === true;
  if (cells.size === 0) throw failure ?? new AppError('job/cancelled', 'plot: stopped before its first picture.');
  return {
    ...parts.result(interrupted),
    ...(await sheets(plan, cells, { request, plot, host, first: parts.images.length })),
  };
}

function key({ x, y, z }: Readonly<Record<PlotSide, number>>): string {
  return `${x},${y},${z}`;
}

interface SheetOptions {
  readonly request: GenerateRequest;
  readonly plot: PlotRequest;
  readonly host: RunHost;
  readonly first: number;
}

/** The sheet of every z value, and all of them as one. */
async function sheets(
  plan: PlotPlan,
  cells: ReadonlyMap<string, CellResult>,
  options: SheetOptions,
): Promise<{ grid: GeneratedImage; subGrids?: readonly GeneratedImage[] }> {
  const { plot, host } = options;
  const paint = plot.legend ? host.paintText : undefined;
  if (plot.legend && !paint) {
    host.onEvent({ kind: 'notice', code: 'plot', message: 'The sheet has no labels: nothing can draw letters here.' });
  }
  const drawn: { sheet: PixelImage; facts: CellResult | undefined }[] = [];
  for (let z = 0; z < plan.counts.z; z++) {
    const here = range(plan.counts.y).flatMap((y) => range(plan.counts.x).map((x) => cells.get(key({ x, y, z }))));
    const title = plan.axes.z?.texts[z];
    const labels = {
      columns: plan.axes.x?.texts ?? [''],
      rows: plan.axes.y?.texts ?? [''],
      ...(title === undefined ? {} : { title }),
    };
    const pictures = here.map((cell) => cell?.picture);
    const sheet = drawSheet(pictures, labels, { marginPx: plot.marginPx, paint });
    drawn.push({ sheet, facts: here.find((cell) => cell !== undefined) });
  }
  const facts = drawn.find((one) => one.facts)?.facts;
  const whole = joinSheets(
    drawn.map((one) => one.sheet),
    plot.marginPx,
  );
  const grid = await saveSheet(whole, facts, plotPairs(plan), options, 0);
  if (!plan.axes.z) return { grid };
  const subGrids: GeneratedImage[] = [];
  for (const [z, { sheet, facts: own }] of drawn.entries()) {
    if (own) subGrids.push(await saveSheet(sheet, own, plotPairs(plan, ['x', 'y']), options, z + 1));
  }
  return { grid, subGrids };
}

async function saveSheet(
  sheet: PixelImage,
  facts: CellResult | undefined,
  pairs: readonly (readonly [string, string])[],
  { request, host, first }: SheetOptions,
  offset: number,
): Promise<GeneratedImage> {
  const infotext = addPairs(facts?.infotext ?? '', pairs);
  const { widthPx, heightPx } = sheet;
  const saved = host.encodePicture
    ? await savePicture(host.encodePicture, sheet, infotext, request.save)
    : { file: new Blob([]) };
  return { index: first + offset, widthPx, heightPx, seed: facts?.seed ?? 0, infotext, file: saved.file };
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** Models of a plot's cells: one besides the open model at a time. */
class CellModels {
  readonly #own: LoadedModel;
  readonly #ownId: string;
  readonly #host: RunHost;
  #other: { readonly id: string; readonly model: LoadedModel } | undefined;

  constructor(own: LoadedModel, ownId: string, host: RunHost) {
    this.#own = own;
    this.#ownId = ownId;
    this.#host = host;
  }

  /** @throws AppError 'model/missing-part' when the host opens no other models */
  async open(id: string): Promise<LoadedModel> {
    if (id === this.#ownId || id === this.#own.id || id === this.#own.name) return this.#own;
    if (this.#other?.id === id) return this.#other.model;
    await this.close();
    const model = await this.#host.loadModel?.(id);
    if (!model) {
      throw new AppError('model/missing-part', `plot: no other model can be opened here, got "${id}".`);
    }
    this.#other = { id, model };
    return model;
  }

  async close(): Promise<void> {
    const held = this.#other;
    this.#other = undefined;
    if (held && held.model !== this.#own) await this.#host.releaseModel?.(held.model);
  }
}
