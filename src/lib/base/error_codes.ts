/**
 * Every error code of the product, grouped by area. `Record<ErrorCode, …>` in the interface texts makes the
 * compiler list what is missing. Add a code on a line of its own, next to its area.
 */
export const ERROR_CODES = [
  // base
  'internal/unexpected',
  'argument/invalid',
  // jobs
  'job/cancelled',
  'job/superseded',
  'job/non-finite',
  // sampling
  'sampler/unknown',
  'sampler/unsupported',
  // files: container level
  'file/out-of-bounds',
  'file/unreadable',
  'file/unknown-format',
  'file/truncated',
  // files: what is wrong inside (one code per class of damage or attack)
  'file/bad-alignment',
  'file/bad-bool',
  'file/bad-chunk-order',
  'file/bad-chunk-type',
  'file/bad-crc',
  'file/bad-dtype',
  'file/bad-entry',
  'file/bad-key',
  'file/bad-kv-type',
  'file/bad-magic',
  'file/bad-metadata',
  'file/bad-offsets',
  'file/bad-pickle',
  'file/bad-protobuf',
  'file/bad-shape',
  'file/bad-stride',
  'file/bad-text-chunk',
  'file/bad-utf8',
  'file/bad-zip',
  'file/count-overflow',
  'file/deep-nesting',
  'file/duplicate-key',
  'file/forbidden-name',
  'file/gap',
  'file/header-too-large',
  'file/json-garbage',
  'file/lora-missing-pair',
  'file/lora-no-target',
  'file/lora-nonfinite',
  'file/lora-shape-mismatch',
  'file/misaligned-offset',
  'file/missing-shard',
  'file/missing-storage',
  'file/missing-tensor',
  'file/nan-alignment',
  'file/overlapping-ranges',
  'file/path-traversal-name',
  'file/rank-too-large',
  'file/shape-overflow',
  'file/size-mismatch',
  'file/string-length-overflow',
  'file/trailing-data',
  'file/truncated-header',
  'file/unsafe-pickle',
  'file/unsupported-version',
  'file/zip-bomb',
  'file/unsupported',
  'file/no-tensors',
  // quant
  'quant/unknown-type',
  'quant/no-decoder',
  'quant/bad-companion',
  // graph
  'graph/shape',
  'graph/unknown-op',
  'graph/unknown-weight',
  // backends
  'backend/unavailable',
  'backend/unsupported-op',
  'backend/compile',
  'backend/out-of-memory',
  'backend/device-lost',
  'backend/disposed',
  'backend/run',
  // models
  'model/unrecognised',
  'model/missing-tensors',
  'model/wrong-shape',
  'model/missing-part',
  'model/unsupported',
  // text: tokenizers, prompts, generation parameters
  'tokenizer/vocabulary',
  // storage
  'storage/unavailable',
  'storage/blocked',
  'storage/quota',
  'storage/not-found',
  'storage/corrupt',
  'storage/hash-mismatch',
  // network
  'network/failed',
  // image input
  'image/invalid',
  'image/too-large',
  // canvas
  'canvas/invalid',
  'canvas/too-large',
  'canvas/unknown-layer',
  'canvas/layer-locked',
  'canvas/corrupt-record',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];
