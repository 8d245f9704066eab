/**
 * The CPU reference: naive loops over the graph, the truth that other backends are tested against.
 * Exact rather than fast: f64 between f32 inputs and outputs, about 0.5 GFLOP/s.
 */
import type { Graph } from '../../graph/ir';
import type { WeightMap } from '../../graph/weights';
import type {
  Backend,
  BackendMemory,
  CompileOptions,
  DeviceTensor,
  HostTensor,
  PlannedProgram,
  RunObserver,
} from '../backend';
import { checkHostTensor, checkLincomb, disposedError } from '../check_inputs';
import { loadResidents, planReference, ReferenceProgram } from './program';
import { ownTensor, ReferenceTensor } from './tensor';

/** Browsers round `performance.now()` to this where the page is isolated. */
const HOST_CLOCK_STEP_MS = 0.005;

class ReferenceBackend implements Backend {
  readonly id = 'reference';
  readonly label = 'CPU reference';
  readonly info = { arithmetic: 'f32 weights, inputs and outputs, f64 in between', threads: '1' };
  readonly streamsWeights = false;
  readonly #tensors = new Set<ReferenceTensor>();
  readonly #programs = new Set<ReferenceProgram>();
  #observer: RunObserver | undefined;
  #disposed = false;

  #alive(): void {
    if (this.#disposed) throw disposedError('reference backend');
  }

  async compile(graph: Graph, weights: WeightMap, options: CompileOptions = {}): Promise<ReferenceProgram> {
    this.#alive();
    const residents = await loadResidents(graph, weights, options);
    this.#alive();
    const program = new ReferenceProgram(graph, residents, this.#tensors, {
      onDispose: (done) => this.#programs.delete(done),
      wantsTimings: (one) => this.#observer?.wantsTimings(one) === true,
      onRun: (one, nodes, peakArenaBytes) => {
        const { weightsBytes, tensorBytes } = this.memory();
        const peakBytes = weightsBytes + tensorBytes + peakArenaBytes;
        this.#observer?.onRun({
          program: one,
          dispatches: one.graph.nodes.length,
          encodeMs: 0,
          held: { weightsBytes, arenaBytes: peakArenaBytes, tensorBytes, stagingBytes: 0, peakBytes },
          ...(nodes ? { timings: Promise.resolve({ clock: 'host', stepMs: HOST_CLOCK_STEP_MS, nodes }) } : {}),
        });
      },
    });
    this.#programs.add(program);
    return program;
  }

  plan(graph: Graph): PlannedProgram {
    const plan = planReference(graph);
    return { ...plan, missingWeightsBytes: plan.weightsBytes };
  }

  upload(tensor: HostTensor): DeviceTensor {
    this.#alive();
    checkHostTensor(tensor);
    return new ReferenceTensor(this.#tensors, tensor.shape, tensor.data.slice());
  }

  async download(tensor: DeviceTensor): Promise<HostTensor> {
    this.#alive();
    const { shape, data } = ownTensor(this.#tensors, tensor);
    return Promise.resolve({ shape, data: data.slice() });
  }

  lincomb(terms: readonly (readonly [number, DeviceTensor])[]): DeviceTensor {
    this.#alive();
    const shape = checkLincomb(terms);
    const own = terms.map(([coefficient, tensor]) => [coefficient, ownTensor(this.#tensors, tensor).data] as const);
    const total = new Float64Array(own[0]?.[1].length ?? 0);
    for (const [coefficient, data] of own) {
      for (let i = 0; i < total.length; i++) total[i] = (total[i] ?? 0) + coefficient * (data[i] ?? 0);
    }
    return new ReferenceTensor(this.#tensors, shape, Float32Array.from(total));
  }

  memory(): BackendMemory {
    let weightsBytes = 0;
    let arenaBytes = 0;
    for (const { plan, liveBytes } of this.#programs) {
      weightsBytes += plan.weightsBytes;
      arenaBytes += liveBytes;
    }
    let tensorBytes = 0;
    for (const { data } of this.#tensors) tensorBytes += data.byteLength;
    return { weightsBytes, arenaBytes, tensorBytes };
  }

  observe(observer: RunObserver | undefined): void {
    this.#observer = observer;
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    for (const tensor of [...this.#tensors]) tensor.dispose();
    await Promise.all([...this.#programs].map((program) => program.dispose()));
  }
}

/** A new reference backend; it shares nothing with others. */
export function createReferenceBackend(): Backend {
  return new ReferenceBackend();
}
