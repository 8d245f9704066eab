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
  // files: container level
  'file/out-of-bounds',
  'file/unreadable',
  'file/unknown-format',
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
  'backend/run',
  // models
  'model/unrecognised',
  'model/missing-tensors',
  'model/wrong-shape',
  'model/missing-part',
  'model/unsupported',
  // storage
  'storage/unavailable',
  'storage/quota',
  'storage/not-found',
  'storage/corrupt',
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
