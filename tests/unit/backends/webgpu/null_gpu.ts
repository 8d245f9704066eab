/**
 * A GPU that computes nothing and counts everything: bytes of live buffers, allocations, submits. For tests of memory
 * at sizes that no test machine has. It can refuse memory beyond a capacity, as a real device does: by an error scope.
 */
const LIMITS = {
  maxBufferSize: 2 * 2 ** 30,
  maxStorageBufferBindingSize: 2 * 2 ** 30 - 4,
  maxComputeWorkgroupStorageSize: 32768,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupsPerDimension: 65535,
  minUniformBufferOffsetAlignment: 256,
};

/** Names that the WebGPU API defines globally. */
export function defineGpuConstants(): void {
  Object.assign(globalThis, {
    GPUBufferUsage: {
      MAP_READ: 1,
      COPY_SRC: 4,
      COPY_DST: 8,
      UNIFORM: 64,
      STORAGE: 128,
      QUERY_RESOLVE: 512,
    },
    GPUShaderStage: { COMPUTE: 4 },
    GPUMapMode: { READ: 1 },
  });
}

export class NullGpu {
  readonly #features: ReadonlySet<string>;
  liveBytes = 0;
  peakBytes = 0;
  allocations = 0;
  writtenBytes = 0;
  /** Buffers mapped for reading: one per read-back. */
  reads = 0;
  /** Every byte that a read-back gives. */
  readByte = 0;
  /** Allocations beyond this are refused. */
  capacityBytes = Infinity;
  /** The allocation of this number (from 1) is refused. */
  failAt = Infinity;
  #lose: (reason: { reason: string; message: string }) => void = () => undefined;
  readonly #scopes: { kind: string; error: { message: string } | null }[] = [];

  /** @param features that adapter and device offer */
  constructor(features: readonly string[] = []) {
    this.#features = new Set(features);
  }

  /** Ends the device, as an unplugged adapter does. */
  lose(): void {
    this.#lose({ reason: 'unknown', message: 'test' });
  }

  get gpu(): GPU {
    const adapter = {
      features: this.#features,
      limits: LIMITS,
      info: { description: 'null' },
      requestDevice: () => Promise.resolve(this.#device()),
    };
    return { requestAdapter: () => Promise.resolve(adapter) } as unknown as GPU;
  }

  #device(): GPUDevice {
    const nothing = () => ({});
    const pass = {
      setPipeline: nothing,
      setBindGroup: nothing,
      dispatchWorkgroups: nothing,
      end: nothing,
    };
    const lost = new Promise((resolve) => {
      this.#lose = resolve;
    });
    const device = {
      features: this.#features,
      limits: LIMITS,
      lost,
      addEventListener: nothing,
      createBuffer: ({ size }: { size: number }) => this.#buffer(size),
      createBindGroupLayout: nothing,
      createPipelineLayout: nothing,
      createShaderModule: () => ({ getCompilationInfo: () => Promise.resolve({ messages: [] }) }),
      createComputePipelineAsync: () => Promise.resolve({}),
      createBindGroup: nothing,
      createCommandEncoder: () => ({
        beginComputePass: () => pass,
        copyBufferToBuffer: nothing,
        clearBuffer: nothing,
        finish: nothing,
      }),
      pushErrorScope: (kind: string) => this.#scopes.push({ kind, error: null }),
      popErrorScope: () => Promise.resolve(this.#scopes.pop()?.error ?? null),
      queue: {
        submit: nothing,
        writeBuffer: (_buffer: unknown, _offset: number, data: ArrayBufferView | ArrayBuffer) => {
          this.writtenBytes += data.byteLength;
        },
        onSubmittedWorkDone: () => Promise.resolve(),
      },
      destroy: nothing,
    };
    return device as unknown as GPUDevice;
  }

  #buffer(size: number) {
    this.allocations++;
    const refused = this.allocations === this.failAt || this.liveBytes + size > this.capacityBytes;
    const scope = this.#scopes.findLast(({ kind }) => kind === 'out-of-memory');
    if (refused && scope) scope.error = { message: 'no room' };
    let held = refused ? 0 : size;
    this.liveBytes += held;
    this.peakBytes = Math.max(this.peakBytes, this.liveBytes);
    return {
      size,
      destroy: () => {
        this.liveBytes -= held;
        held = 0;
      },
      mapAsync: () => {
        this.reads++;
        return Promise.resolve();
      },
      getMappedRange: (_offset: number, length: number) => new Uint8Array(length).fill(this.readByte).buffer,
      unmap: () => undefined,
    };
  }
}
