/** How a scale of dynamic thresholding moves over a run. */
export const SCALE_MODES = [
  'Constant',
  'Linear Down',
  'Cosine Down',
  'Half Cosine Down',
  'Linear Up',
  'Cosine Up',
  'Half Cosine Up',
  'Power Up',
  'Power Down',
  'Linear Repeating',
  'Cosine Repeating',
  'Sawtooth',
] as const;
export type ScaleMode = (typeof SCALE_MODES)[number];
