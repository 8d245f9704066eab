/** What recorders of operators are given and hand over: the contract between `recorder.ts` and `ops/`. */
import type { AnyNode, Value, ValueId } from '../../graph/ir';
import type { Deferred } from './deferred';
import type { ParamValue } from './kernel_sources';
import type { DispatchPlan, Operand, PlannedWeight } from './plan_types';
import type { Tuning } from './tuning';

/** A matrix weight as kernels see it: the plan, and operands of each part. */
export interface MatrixOperand {
  readonly weight: PlannedWeight;
  readonly parts: readonly {
    readonly quants: Operand;
    readonly scales: Operand;
    readonly rowStart: number;
    readonly rows: number;
  }[];
}

export interface KernelCall {
  readonly kernel: readonly string[];
  readonly overrides?: Readonly<Record<string, number>>;
  readonly bindings: Readonly<Record<string, Operand | undefined>>;
  readonly params: Readonly<Record<string, ParamValue>>;
  /** As in `DispatchPlan`. */
  readonly inPlace?: DispatchPlan['inPlace'];
  readonly workgroups: number;
  /** Share of the node's FLOPs; default all. */
  readonly share?: number;
}

/** What the recorder of an operator may do. */
export interface OpContext {
  readonly tuning: Tuning;
  readonly maxBindingBytes: number;
  value(id: ValueId): Value;
  /** The data of a value, made distinct from those in `apart`, since kernels bind everything writable. */
  operand(id: ValueId): Operand;
  optional(id: ValueId | undefined): Operand | undefined;
  /** Where the node's result goes. */
  result(): Operand;
  temp(bytes: number): Operand;
  resident(data: Float32Array | Int32Array): Operand;
  matrix(id: ValueId, form: 'matrix' | 'conv'): MatrixOperand;
  /** Appends a kernel call; `groupOffset` is filled in. */
  call(call: KernelCall): void;
  /** The one node that reads a value, once, renamings looked through; undefined for results of the graph. */
  onlyReader(id: ValueId): AnyNode | undefined;
  /** Whether two values are the same data under other shapes. */
  sameData(a: ValueId | undefined, b: ValueId | undefined): boolean;
  /** Leaves a value to its only reader: it gets no buffer. */
  defer(id: ValueId, what: Deferred): void;
  deferred(id: ValueId | undefined): Deferred | undefined;
  /** Token ids must lie below `count` where the host can know them. */
  checkIds(id: ValueId, count: number): void;
}
