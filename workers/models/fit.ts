/** Does a model fit this device, before it is stored: graphs from headers, planned in the worker. */
import { browserGpu } from '../../src/lib/backends/webgpu/device';
import type { ByteSource } from '../../src/lib/base/byte_source';
import { AppError } from '../../src/lib/base/errors';
import { assembleModel } from '../../src/lib/models/assemble';
import type { DetectedModel } from '../../src/lib/models/family';
import { groupFiles } from '../../src/lib/models/group_files';
import { openModelFiles } from '../../src/lib/models/open_model_files';
import { planFit, type FitLimits } from '../../src/lib/pipeline/fit';
import type { FitDevice, FitReport, FitSize, SpeedSample } from '../../src/lib/rpc/models';
import type { Database } from '../../src/lib/storage/database';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
/** A WebAssembly heap ends at 4 GiB; buffers of onnxruntime at 2 GiB. */
const WASM_LIMITS = { maxBufferBytes: 2047 * MIB, maxBindingBytes: 2047 * MIB, budgetBytes: 4 * GIB };
/** What a page may take of a device of unknown memory without being closed (phones and tablets end near 1.5 GB). */
const CAUTIOUS_BYTES = GIB;
const SPEED_KEY = 'speed';

/**
 * Memory that the page may use: on a GPU what the engine knows (asked for by the user, or learned), else half of what
 * the browser says the device has; in WebAssembly the smaller of both, since the engine then only knows what its heap
 * can hold at most.
 */
export function budgetOf(device: FitDevice, deviceMemoryGib?: number): number {
  const estimate = deviceMemoryGib === undefined ? CAUTIOUS_BYTES : (deviceMemoryGib * GIB) / 2;
  const known = device.budgetBytes !== undefined && device.budgetBytes > 0 ? device.budgetBytes : undefined;
  return device.wasm ? Math.min(known ?? Infinity, estimate) : (known ?? estimate);
}

async function limitsOf(device: FitDevice): Promise<FitLimits> {
  const budgetBytes = budgetOf(device, (navigator as { deviceMemory?: number }).deviceMemory);
  const adapter = device.wasm
    ? undefined
    : await browserGpu()
        ?.requestAdapter()
        .catch(() => undefined);
  if (!adapter) return { ...WASM_LIMITS, budgetBytes: Math.min(budgetBytes, WASM_LIMITS.budgetBytes) };
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
  return { maxBufferBytes: maxBufferSize, maxBindingBytes: maxStorageBufferBindingSize, budgetBytes };
}

async function detect(sources: readonly ByteSource[]): Promise<DetectedModel> {
  const { files, hints } = await openModelFiles(sources);
  const [group = []] = groupFiles(files);
  return assembleModel(
    group.map((file) => file.detected),
    hints,
  );
}

/** Half the model's own size, the size itself, and one and a half of it, as multiples that it can make. */
function sizesOf({ defaults, latent }: DetectedModel): { widthPx: number; heightPx: number }[] {
  const side = (px: number, factor: number) =>
    Math.max(latent.multiple, Math.round((px * factor) / latent.multiple) * latent.multiple);
  const all = [0.5, 1, 1.5].map((factor) => ({
    widthPx: side(defaults.widthPx, factor),
    heightPx: side(defaults.heightPx, factor),
  }));
  return all.filter(
    (size, i) => all.findIndex((one) => one.widthPx === size.widthPx && one.heightPx === size.heightPx) === i,
  );
}

/**
 * Plans a model on this device.
 * @throws AppError 'model/*' when the files make no model, 'file/*', 'network/*'
 */
export async function planModel(
  sources: readonly ByteSource[],
  device: FitDevice,
  database: Database,
): Promise<FitReport> {
  const [model, limits, speed] = await Promise.all([detect(sources), limitsOf(device), speedOf(database)]);
  const notes = new Set<string>();
  const sizes: FitSize[] = [];
  for (const size of sizesOf(model)) {
    try {
      const plan = planFit(model, { ...size, limits, ...(speed ? { measuredFlopsPerSecond: speed } : {}) });
      const { verdict, reason, secondsPerPicture, peakBytes } = plan;
      const least = plan.measures.includes('sequential loading') ? peakBytes.sequential : peakBytes.resident;
      for (const note of plan.notes) notes.add(note);
      sizes.push({
        ...size,
        verdict,
        reason,
        ...(least === undefined ? {} : { peakBytes: least }),
        ...(secondsPerPicture === undefined ? {} : { secondsPerPicture }),
      });
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      sizes.push({ ...size, verdict: 'no', reason: error.message });
    }
  }
  const { budgetBytes, maxBufferBytes } = limits;
  return { sizes, budgetBytes, maxBufferBytes, notes: [...notes], ...(speed ? { flopsPerSecond: speed } : {}) };
}

async function speedOf(database: Database): Promise<number | undefined> {
  const held: unknown = await database.get('measurements', SPEED_KEY);
  const value =
    typeof held === 'object' && held !== null ? (held as { flopsPerSecond?: unknown }).flopsPerSecond : undefined;
  return typeof value === 'number' && value > 0 ? value : undefined;
}

/** Remembers what a finished job says of the device: FLOPs of its steps by the time they took. */
export async function rememberSpeed(
  sample: SpeedSample,
  sources: readonly ByteSource[],
  database: Database,
): Promise<void> {
  if (sample.denoiseMs <= 0) return;
  const model = await detect(sources);
  const unlimited = Number.MAX_SAFE_INTEGER;
  const { widthPx, heightPx, steps } = sample;
  const plan = planFit(model, {
    widthPx,
    heightPx,
    steps,
    cfgScale: sample.guided ? 7 : 1,
    limits: { maxBufferBytes: unlimited, maxBindingBytes: unlimited, budgetBytes: unlimited },
  });
  const denoiser = plan.chosen.find((stage) => stage.stage === 'denoiser');
  if (!denoiser) return;
  const flops = denoiser.flops * denoiser.runs * steps * sample.pictures;
  await database.put('measurements', { flopsPerSecond: (flops / sample.denoiseMs) * 1000, at: Date.now() }, SPEED_KEY);
}
