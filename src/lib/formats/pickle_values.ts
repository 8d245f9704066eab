/** What the non-executing pickle reader builds. Plain data; nothing here can be called. */
import { TORCH_DTYPES, TORCH_STORAGES, UNTYPED_STORAGE } from './torch_types';

/** A name from the allow-list, never the thing it names. */
export class PickleGlobal {
  constructor(
    readonly module: string,
    readonly name: string,
  ) {}

  get key(): string {
    return `${this.module} ${this.name}`;
  }
}

export class PickleTuple {
  constructor(readonly items: readonly PickleValue[]) {}
}

export class PickleList {
  readonly items: PickleValue[] = [];
}

/** A dict or OrderedDict; entries in order of insertion, equal keys replaced. */
export class PickleDict {
  readonly entries = new Map<PickleValue, PickleValue>();
  constructor(readonly ordered = false) {}
}

export class PickleSet {
  readonly items: PickleValue[] = [];
}

/** A reference to data outside the pickle: what torch writes for a storage. */
export class PicklePersistent {
  constructor(readonly id: PickleValue) {}
}

/** Result of an allowed call: its name and arguments. */
export class PickleCall {
  constructor(
    readonly callee: PickleGlobal,
    readonly args: readonly PickleValue[],
  ) {}
}

export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleGlobal
  | PickleTuple
  | PickleList
  | PickleDict
  | PickleSet
  | PicklePersistent
  | PickleCall;

/**
 * What trainers leave beside the weights in old checkpoints: counters of numpy, settings of pytorch-lightning, paths,
 * configurations of omegaconf. Recorded as inert data and dropped; none of them is ever made.
 */
export const INERT: ReadonlySet<string> = new Set([
  ...['numpy.core.multiarray', 'numpy._core.multiarray'].flatMap((module) => [
    `${module} scalar`,
    `${module} _reconstruct`,
  ]),
  'numpy dtype',
  'numpy ndarray',
  '_codecs encode',
  'torch device',
  'torch.nn.parameter Parameter',
  'collections defaultdict',
  'collections Counter',
  '__builtin__ set',
  'builtins set',
  'argparse Namespace',
  ...['PosixPath', 'WindowsPath', 'PurePosixPath', 'PureWindowsPath'].map((name) => `pathlib ${name}`),
  ...['ModelCheckpoint', 'EarlyStopping', 'LearningRateMonitor', 'TQDMProgressBar'].flatMap((name) => [
    `pytorch_lightning.callbacks ${name}`,
    `lightning.pytorch.callbacks ${name}`,
  ]),
  'pytorch_lightning.callbacks.model_checkpoint ModelCheckpoint',
  'pytorch_lightning.callbacks.early_stopping EarlyStopping',
  'lightning.pytorch.callbacks.model_checkpoint ModelCheckpoint',
  'pytorch_lightning.utilities.parsing AttributeDict',
  'omegaconf.dictconfig DictConfig',
  'omegaconf.listconfig ListConfig',
  'omegaconf.base ContainerMetadata',
  'omegaconf.base Metadata',
  'omegaconf.nodes AnyNode',
  'typing Any',
]);

/** Names that may be called: constructors of plain data and torch's tensor builders, which we only record. */
export const CALLABLE: ReadonlySet<string> = new Set([
  'torch._utils _rebuild_tensor',
  'torch._utils _rebuild_tensor_v2',
  'torch._utils _rebuild_tensor_v3',
  'torch._utils _rebuild_parameter',
  'torch._utils _rebuild_parameter_with_state',
  'collections OrderedDict',
  'torch Size',
  ...INERT,
]);

/** Names that may be mentioned. Module and name are one key: "torch" + "_utils.x" is another name and refused. */
export const ALLOWED_GLOBALS: ReadonlySet<string> = new Set([
  ...CALLABLE,
  ...TORCH_STORAGES.keys(),
  UNTYPED_STORAGE,
  ...TORCH_DTYPES.keys(),
  // Element types of numpy's counters.
  'builtins int',
  'builtins float',
  '__builtin__ int',
  '__builtin__ float',
]);

/** A value for a message: plain ones as text, the others by kind. */
export function shown(value: PickleValue | undefined): string {
  if (value === undefined) return 'nothing';
  return value !== null && typeof value === 'object' ? value.constructor.name : String(value);
}
