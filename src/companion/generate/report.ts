/** What `npm run generate` leaves behind: pictures, a few lines on the terminal, facts as JSON. */
import type { Backend } from '../../lib/backends/backend';
import type { LoadedModel } from '../../lib/pipeline/loaded_model';
import type { GenerateRequest, JobResult, StageTime } from '../../lib/rpc/engine';
import { writeWhole } from '../node_files';

export interface Run {
  readonly backend: Backend;
  readonly model: LoadedModel;
  readonly request: GenerateRequest;
  readonly result: JobResult;
  /** Opening the files, then the job's stages. */
  readonly times: readonly StageTime[];
  /** Most of the process's memory that was in use, bytes. */
  readonly peakRssBytes: number;
}

/** The first picture (a sheet, where one was asked for) under the name given, more of them with -2, -3, … */
export async function writePictures(out: string, { result }: Run): Promise<void> {
  const made = [...(result.grid ? [result.grid] : []), ...(result.subGrids ?? []), ...result.images];
  for (const [i, image] of made.entries()) {
    const path = i === 0 ? out : out.replace(/(\.[^./\\]*)?$/, `-${i + 1}$1`);
    await writeWhole(path, new Uint8Array(await image.file.arrayBuffer()));
    console.log(`${path}  ${image.widthPx}x${image.heightPx}  seed ${image.seed}`);
  }
}

const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(0);

export function printCost({ result, times, peakRssBytes }: Run): void {
  for (const { stage, ms } of times) console.log(`${stage.padEnd(8)} ${(ms / 1000).toFixed(2).padStart(7)} s`);
  const { memory, measures } = result.telemetry ?? {};
  console.log(`memory   ${mib(peakRssBytes)} MiB of the process at most`);
  if (memory) {
    console.log(
      `model    ${mib(memory.peakBytes)} MiB at most (planned ${mib(memory.plannedPeakBytes)}, without a plan ${mib(memory.naiveBytes)} MiB)`,
    );
  }
  for (const measure of measures ?? []) console.log(`note     ${measure}`);
}

export async function writeReport(path: string, run: Run): Promise<void> {
  const { backend, model, request, result, times, peakRssBytes } = run;
  const report = {
    backend: backend.id,
    backendInfo: backend.info,
    model: { name: model.name, hash: model.hash, family: model.detected.family.id },
    times,
    peakRssBytes,
    telemetry: result.telemetry,
    interrupted: result.interrupted,
    request: { ...request, init: undefined },
    images: result.images.map(({ seed, infotext, widthPx, heightPx }) => ({ seed, infotext, widthPx, heightPx })),
  };
  await writeWhole(path, `${JSON.stringify(report, undefined, 2)}\n`);
}
