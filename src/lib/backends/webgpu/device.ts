/**
 * Owner of the one GPUDevice: adapter, limits, features, loss, error scopes. `gpu` is injected, so that Dawn in Node
 * and wrapped devices in tests serve as well as the browser's. No other folder touches WebGPU's entry point.
 */
import { AppError } from '../../base/errors';

/** The browser's WebGPU entry, in pages and workers; undefined where there is none. */
export function browserGpu(): GPU | undefined {
  return (globalThis.navigator as Navigator | undefined)?.gpu;
}

export interface DeviceOptions {
  readonly gpu: GPU | undefined;
  readonly powerPreference?: GPUPowerPreference;
  /** Caps on limits, to act like a smaller device in tests. */
  readonly caps?: Readonly<Partial<Pick<GpuLimits, 'maxBufferBytes' | 'maxBindingBytes'>>>;
  /** Features of device or language to leave out although offered. */
  readonly withoutFeatures?: readonly string[];
}

export interface GpuLimits {
  readonly maxBufferBytes: number;
  readonly maxBindingBytes: number;
  readonly workgroupMemoryBytes: number;
  readonly workgroupThreads: number;
  readonly groupsPerAxis: number;
  readonly uniformAlignment: number;
}

export type ErrorKind = 'out-of-memory' | 'validation' | 'internal';

const WANTED_FEATURES: readonly GPUFeatureName[] = ['shader-f16', 'subgroups', 'timestamp-query'];
const WANTED_LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
] as const;

export class GpuDevice {
  readonly device: GPUDevice;
  readonly limits: GpuLimits;
  readonly info: Readonly<Record<string, string>>;
  /** Resolves when the device is gone, for whatever reason. */
  readonly lost: Promise<AppError>;
  #lostError: AppError | undefined;
  #uncaptured: AppError | undefined;

  readonly #language: ReadonlySet<string>;
  /** Fewest lanes of a subgroup; 1 where nothing is known. */
  readonly smallestSubgroup: number;

  private constructor(
    device: GPUDevice,
    limits: GpuLimits,
    info: Readonly<Record<string, string>>,
    language: ReadonlySet<string>,
    smallestSubgroup: number,
  ) {
    this.#language = language;
    this.smallestSubgroup = smallestSubgroup;
    this.device = device;
    this.limits = limits;
    this.info = info;
    this.lost = device.lost.then((reason) => {
      this.#lostError = lostError(reason.reason, reason.message);
      return this.#lostError;
    });
    device.addEventListener('uncapturederror', (event) => {
      this.#uncaptured ??= new AppError('backend/run', `WebGPU: ${event.error.message}`);
    });
  }

  /**
   * Asks for the best adapter with its own maxima: the defaults (128 MiB bindings) are the classic first bug.
   * @throws AppError 'backend/unavailable'
   */
  static async create(options: DeviceOptions): Promise<GpuDevice> {
    const { gpu, powerPreference = 'high-performance', caps = {}, withoutFeatures = [] } = options;
    if (!gpu) throw unavailable('this browser offers no WebGPU');
    let adapter: GPUAdapter | null;
    let device: GPUDevice;
    try {
      adapter = await gpu.requestAdapter({ powerPreference });
      if (!adapter) throw unavailable('no graphics adapter was offered');
      const offered = adapter;
      const requiredFeatures = WANTED_FEATURES.filter(
        (feature) => offered.features.has(feature) && !withoutFeatures.includes(feature),
      );
      const requiredLimits = Object.fromEntries(WANTED_LIMITS.map((name) => [name, offered.limits[name]]));
      device = await adapter.requestDevice({ label: 'sketchforge', requiredFeatures, requiredLimits });
    } catch (cause) {
      if (cause instanceof AppError) throw cause;
      throw unavailable(
        `the device could not be opened (${cause instanceof Error ? cause.message : String(cause)})`,
        cause,
      );
    }
    const { limits } = device;
    const maxBufferBytes = Math.min(limits.maxBufferSize, caps.maxBufferBytes ?? Infinity);
    const found: GpuLimits = {
      maxBufferBytes,
      maxBindingBytes: Math.min(limits.maxStorageBufferBindingSize, maxBufferBytes, caps.maxBindingBytes ?? Infinity),
      workgroupMemoryBytes: limits.maxComputeWorkgroupStorageSize,
      workgroupThreads: limits.maxComputeInvocationsPerWorkgroup,
      groupsPerAxis: limits.maxComputeWorkgroupsPerDimension,
      uniformAlignment: limits.minUniformBufferOffsetAlignment,
    };
    // Older browsers have no list of language features.
    const language = (gpu.wgslLanguageFeatures as ReadonlySet<string> | undefined) ?? new Set<string>();
    const kept = new Set([...language].filter((feature) => !withoutFeatures.includes(feature)));
    return new GpuDevice(device, found, describe(adapter, device, found), kept, smallestSubgroup(adapter));
  }

  has(feature: GPUFeatureName): boolean {
    return this.device.features.has(feature);
  }

  /** Whether the browser's WGSL has a language feature. */
  hasLanguage(feature: string): boolean {
    return this.#language.has(feature);
  }

  /** @throws AppError 'backend/device-lost', or the first error that no scope caught */
  assertUsable(): void {
    if (this.#lostError) throw this.#lostError;
    const error = this.#uncaptured;
    this.#uncaptured = undefined;
    if (error) throw error;
  }

  get isLost(): boolean {
    return this.#lostError !== undefined;
  }

  /**
   * Runs synchronous GPU calls inside error scopes.
   * @returns the result, and a promise of the first error by kind; it never rejects
   */
  scoped<T>(calls: () => T): {
    readonly result: T;
    readonly error: Promise<{ kind: ErrorKind; message: string } | undefined>;
  } {
    // Popped in reverse: the last pushed is the innermost.
    const kinds = ['out-of-memory', 'validation', 'internal'] as const;
    for (const kind of [...kinds].reverse()) this.device.pushErrorScope(kind);
    const pop = () =>
      Promise.all(
        kinds.map(async (kind) => {
          try {
            const error = await this.device.popErrorScope();
            return error ? { kind, message: error.message } : undefined;
          } catch {
            // A lost device rejects; `assertUsable` tells that apart.
            return undefined;
          }
        }),
      ).then((errors) => errors.find((error) => error !== undefined));
    try {
      const result = calls();
      return { result, error: pop() };
    } catch (error) {
      void pop();
      throw error;
    }
  }

  /** Resolves when all submitted work is done. @throws AppError 'backend/device-lost' */
  async idle(): Promise<void> {
    this.assertUsable();
    await Promise.race([this.device.queue.onSubmittedWorkDone().catch(() => undefined), this.lost]);
    // The loss is announced a turn later than the queue drains.
    if (!this.#lostError) await Promise.resolve();
    this.assertUsable();
  }

  destroy(): void {
    this.device.destroy();
  }
}

/** A failed scope as our error. */
export function scopeError(what: string, { kind, message }: { kind: ErrorKind; message: string }): AppError {
  if (kind === 'out-of-memory') {
    return new AppError(
      'backend/out-of-memory',
      `${what}: the device must have room for it, got "${message}"; choose a smaller picture or model, or close other programs.`,
      { details: { what } },
    );
  }
  return new AppError('backend/run', `${what}: ${message}`, { details: { what, kind } });
}

function lostError(reason: string, message: string): AppError {
  return new AppError(
    'backend/device-lost',
    `WebGPU: the device must stay available, got lost (${reason}): ${message || 'no reason given'}; the engine starts again with a new one.`,
    { details: { reason, message } },
  );
}

function unavailable(what: string, cause?: unknown): AppError {
  return new AppError(
    'backend/unavailable',
    `WebGPU: a device is needed, but ${what}; use the WASM engine or the companion, or update the browser and its drivers.`,
    cause === undefined ? {} : { cause },
  );
}

function smallestSubgroup(adapter: GPUAdapter): number {
  // Safari leaves `info` out in places; the field is younger than it.
  const info = adapter.info as (GPUAdapterInfo & { readonly subgroupMinSize?: number }) | undefined;
  return info?.subgroupMinSize ?? 1;
}

function describe(adapter: GPUAdapter, device: GPUDevice, limits: GpuLimits): Readonly<Record<string, string>> {
  // Safari leaves `info` out in places.
  const info = adapter.info as GPUAdapterInfo | undefined;
  const mebibytes = (bytes: number) => `${Math.floor(bytes / 2 ** 20)} MiB`;
  return {
    adapter: info?.description || info?.device || info?.architecture || 'unknown',
    vendor: info?.vendor || 'unknown',
    architecture: info?.architecture || 'unknown',
    features: WANTED_FEATURES.filter((feature) => device.features.has(feature)).join(' ') || 'none',
    largestBuffer: mebibytes(limits.maxBufferBytes),
    largestBinding: mebibytes(limits.maxBindingBytes),
    workgroupMemory: `${limits.workgroupMemoryBytes / 1024} KiB`,
  };
}
