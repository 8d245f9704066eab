/** Point-wise activations: used by `unary` and as epilogues of `linear`, `conv2d` and `groupNorm`. */
export const ACTIVATIONS = [
  'silu', // x * sigmoid(x)
  'gelu', // exact, with erf
  'geluTanh', // tanh approximation (Hendrycks & Gimpel 2016)
  'quickGelu', // x * sigmoid(1.702 x), CLIP
  'relu',
  'tanh',
  'sigmoid',
] as const;
export type Activation = (typeof ACTIVATIONS)[number];
