/** A recorded program as plain data: buffers, weights and dispatches, before any device is involved. */
import type { Shape } from '../../base/shape';
import type { Graph, ValueId } from '../../graph/ir';
import type { ParamValue } from './kernel_sources';
import type { WeightForm, WeightPlan } from './weights/weight_plan';

/** Index into `ProgramPlan.buffers`. */
export type BufferId = number;

/** `resident` data are made once per program; `temp` data live in the arena between first and last use. */
export type PlannedBuffer =
  | { readonly kind: 'input'; readonly name: string; readonly bytes: number }
  | { readonly kind: 'output'; readonly name: string; readonly bytes: number }
  | { readonly kind: 'temp'; readonly bytes: number }
  | { readonly kind: 'resident'; readonly data: Float32Array | Int32Array; readonly bytes: number }
  | { readonly kind: 'weight'; readonly weight: number; readonly part: number; readonly bytes: number };

/** A range of a planned buffer that a kernel binds. */
export interface Operand {
  readonly buffer: BufferId;
  readonly offset: number;
  readonly bytes: number;
}

export interface DispatchPlan {
  /** Files of the kernel, see `composeKernel`. */
  readonly kernel: readonly string[];
  readonly overrides: Readonly<Record<string, number>>;
  /** By binding name; absent ones are bound to a dummy range. */
  readonly bindings: Readonly<Record<string, Operand | undefined>>;
  readonly params: Readonly<Record<string, ParamValue>>;
  /**
   * Bindings that `y` may replace, each element read by the thread that then writes it, with the parameters that tell
   * the kernel so. See `shareInPlace`.
   */
  readonly inPlace?: Readonly<Record<string, Readonly<Record<string, number>>>> | undefined;
  /** Workgroups in all, and where this dispatch starts among those of its kernel call. */
  readonly workgroups: number;
  readonly firstWorkgroup: number;
  /** Position in `graph.nodes`; -1 for the order of images at the border. */
  readonly node: number;
  readonly flops: number;
}

export interface PlannedWeight {
  readonly plan: WeightPlan;
  readonly form: WeightForm;
  /** As the network wants it. */
  readonly shape: Shape;
  readonly value: ValueId;
}

/** Ids that must lie below the size of a table, checked on the host where the input's data are known. */
export interface IdCheck {
  readonly input: string;
  readonly below: number;
  readonly scope: string;
}

export interface ProgramPlan {
  readonly graph: Graph;
  readonly buffers: readonly PlannedBuffer[];
  readonly weights: readonly PlannedWeight[];
  readonly dispatches: readonly DispatchPlan[];
  /** Output name → buffer; an input or resident buffer is copied. */
  readonly outputs: ReadonlyMap<string, Operand>;
  readonly idChecks: readonly IdCheck[];
}
