/** The buffers and weights of a program under recording, each weight once per form. */
import { AppError } from '../../base/errors';
import type { Shape } from '../../base/shape';
import { valueOf, type Graph, type ValueId } from '../../graph/ir';
import { namedWeight } from '../../graph/load_weight';
import type { WeightMap } from '../../graph/weights';
import type { MatrixOperand } from './op_context';
import type { BufferId, Operand, PlannedBuffer, PlannedWeight } from './plan_types';
import { planWeight, type WeightForm } from './weights/weight_plan';

interface Known {
  readonly weight: PlannedWeight;
  /** One per part. */
  readonly buffers: readonly BufferId[];
}

export class PlanBuffers {
  readonly buffers: PlannedBuffer[] = [];
  readonly weights: PlannedWeight[] = [];
  readonly #graph: Graph;
  readonly #stored: WeightMap;
  readonly #maxBindingBytes: number;
  readonly #known = new Map<string, Known>();

  constructor(graph: Graph, stored: WeightMap, maxBindingBytes: number) {
    this.#graph = graph;
    this.#stored = stored;
    this.#maxBindingBytes = maxBindingBytes;
  }

  /** @param scope who asks, for messages. @throws AppError 'backend/out-of-memory' */
  add(buffer: PlannedBuffer, scope: string): Operand {
    const limit = this.#maxBindingBytes;
    if (buffer.kind !== 'weight' && buffer.bytes > limit) {
      throw new AppError(
        'backend/out-of-memory',
        `${this.#graph.name}, layer ${scope}: one tensor must fit the device's binding limit of ${limit} bytes, got ${buffer.bytes}; choose a smaller picture or a tiled autoencoder.`,
        { details: { scope, bytes: buffer.bytes, limit } },
      );
    }
    this.buffers.push(buffer);
    return { buffer: this.buffers.length - 1, offset: 0, bytes: buffer.bytes };
  }

  temp(bytes: number, scope: string): Operand {
    return this.add({ kind: 'temp', bytes: Math.max(4, bytes) }, scope);
  }

  resident(data: Float32Array | Int32Array, scope: string): Operand {
    return this.add({ kind: 'resident', data, bytes: 4 * data.length }, scope);
  }

  /** A weight as plain f32, in one buffer. */
  plainWeight(id: ValueId, scope: string): Operand {
    const { buffers, weight } = this.#weight(id, 'plain', scope);
    return { buffer: buffers[0] ?? -1, offset: 0, bytes: weight.plan.bytes };
  }

  /** A weight as kernels read matrices. @throws AppError 'backend/unsupported-op' for a computed value */
  matrix(id: ValueId, form: 'matrix' | 'conv', scope: string): MatrixOperand {
    const { weight, buffers } = this.#weight(id, form, scope);
    const parts = weight.plan.parts.map((part, i) => {
      const buffer = buffers[i] ?? -1;
      const quants = { buffer, offset: 0, bytes: part.quantBytes };
      // Unused scales are bound to the quants: both are read only.
      const scales =
        part.scaleBytes === 0 ? quants : { buffer, offset: part.scalesOffset, bytes: part.bytes - part.scalesOffset };
      return { quants, scales, rowStart: part.rowStart, rows: part.rows };
    });
    return { weight, parts };
  }

  #weight(id: ValueId, form: WeightForm, scope: string): Known {
    const { source, shape } = valueOf(this.#graph, id);
    if (source.kind !== 'weight') {
      throw new AppError(
        'backend/unsupported-op',
        `${this.#graph.name}, layer ${scope}: the matrix of a linear layer, convolution or embedding must be a weight, got a computed value.`,
      );
    }
    const key = `${form} ${shape.join('x')} ${source.name}`;
    const known = this.#known.get(key) ?? this.#place(id, source.name, shape, form, scope);
    this.#known.set(key, known);
    return known;
  }

  #place(value: ValueId, name: string, shape: Shape, form: WeightForm, scope: string): Known {
    const limits = { maxBindingBytes: this.#maxBindingBytes };
    const plan = planWeight(name, namedWeight(this.#stored, name), shape, form, limits);
    const weight = { plan, form, shape, value };
    const index = this.weights.push(weight) - 1;
    const buffers = plan.parts.map(
      ({ bytes }, part) => this.add({ kind: 'weight', weight: index, part, bytes }, scope).buffer,
    );
    return { weight, buffers };
  }
}
