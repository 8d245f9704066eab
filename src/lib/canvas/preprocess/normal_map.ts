/** Normals from luminance read as height. */
import { gaussianBlur } from '../document/blur';
import { lumaPlane, sobel, valueOf, type Preprocessor } from './preprocessor';

/** Height of white above black at strength 1, in pixels. */
const HEIGHT_PX = 16;

/**
 * Normal map, x to the right in red, y up in green, z to the viewer in blue, each (n + 1) / 2.
 * n = normalise(−dh/dx · k, dh/dy · k, 1) on a screen whose y points down; brighter is higher.
 */
export const normalMap = {
  id: 'normal',
  parameters: [
    { name: 'strength', min: 0.1, max: 20, step: 0.1, default: 4 },
    { name: 'sigma', min: 0, max: 8, step: 0.1, default: 1 },
  ],
  run(image, values) {
    const { width, height } = image;
    const heights = gaussianBlur(lumaPlane(image), width, height, valueOf(values, 'sigma'));
    const { gx, gy } = sobel(heights, width, height);
    const slope = (valueOf(values, 'strength') * HEIGHT_PX) / (8 * 255);
    const data = new Uint8ClampedArray(width * height * 4);
    for (let i = 0, o = 0; i < gx.length; i++, o += 4) {
      const nx = -(gx[i] as number) * slope;
      const ny = (gy[i] as number) * slope;
      const length = Math.hypot(nx, ny, 1);
      data[o] = 127.5 + (127.5 * nx) / length;
      data[o + 1] = 127.5 + (127.5 * ny) / length;
      data[o + 2] = 127.5 + 127.5 / length;
      data[o + 3] = 255;
    }
    return { width, height, data };
  },
} as const satisfies Preprocessor;
