/** What a conversion is: the file's bytes in order, made tensor by tensor, and a row of errors for each tensor. */
import type { QuantTypeId } from '../../quant/registry';

/** One tensor of the input and what was written for it. */
export interface ConvertedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly from: string;
  readonly to: QuantTypeId;
  readonly bytes: number;
  /** sum((written - read)²) / sum(read²) */
  readonly nmse: number;
  readonly maxAbs: number;
}

export interface Conversion {
  /** Of the whole file. */
  readonly sizeBytes: number;
  /** The file from its first byte to its last; `onTensor` is told of each tensor when its bytes are out. */
  write(signal: AbortSignal, onTensor: (row: ConvertedTensor) => void): AsyncGenerator<Uint8Array<ArrayBuffer>>;
}
