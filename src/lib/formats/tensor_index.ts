/** What every container reader returns: names, types, shapes and places of tensors, from a header alone. */
import type { StoredTensor } from '../quant/tensor';

export type ContainerFormat = 'safetensors' | 'gguf' | 'pickle' | 'onnx' | 'sharded';

/** Metadata of a container: text in safetensors, typed values in GGUF (64-bit integers as bigint). */
export type MetadataValue = string | number | bigint | boolean | readonly MetadataValue[];

export interface TensorIndex {
  readonly format: ContainerFormat;
  /** File name, or the index file's name for a set of shards. */
  readonly name: string;
  /** In file order. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  /** Facts of one format that only tools show. */
  readonly container?: {
    readonly version?: number;
    readonly byteOrder?: 'little' | 'big';
    readonly alignment?: number;
    /** First byte of the tensor data. */
    readonly dataStart?: number;
    readonly headerBytes?: number;
  };
}
