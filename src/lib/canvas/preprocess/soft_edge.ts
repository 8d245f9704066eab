/** Soft edges: blurred gradient magnitude. */
import { gaussianBlur } from '../document/blur';
import { greyImage, lumaPlane, sobel, valueOf, type Preprocessor } from './preprocessor';

/** White soft edges on black: Sobel L2 magnitude, scaled so that the strongest edge is white, blurred before and after. */
export const softEdge = {
  id: 'soft-edge',
  parameters: [
    { name: 'sigma', min: 0, max: 8, step: 0.1, default: 1 },
    { name: 'spread', min: 0, max: 8, step: 0.1, default: 1 },
    { name: 'gamma', min: 0.2, max: 3, step: 0.1, default: 0.7 },
  ],
  run(image, values) {
    const { width, height } = image;
    const { gx, gy } = sobel(gaussianBlur(lumaPlane(image), width, height, valueOf(values, 'sigma')), width, height);
    const edges = gx.map((dx, i) => Math.hypot(dx, gy[i] as number));
    const soft = gaussianBlur(edges, width, height, valueOf(values, 'spread'));
    let peak = 0;
    for (const value of soft) if (value > peak) peak = value;
    // Below one level of slope there is nothing but rounding; it must not be blown up to white.
    const scale = peak > 8 ? 1 / peak : 0;
    const gamma = valueOf(values, 'gamma');
    return greyImage(
      soft.map((value) => 255 * (value * scale) ** gamma),
      width,
      height,
    );
  },
} as const satisfies Preprocessor;
