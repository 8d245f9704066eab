/** The two simplest: blur and invert. */
import { gaussianBlur } from '../document/blur';
import { onPaper, valueOf, type Preprocessor } from './preprocessor';

export const blur = {
  id: 'blur',
  parameters: [{ name: 'sigma', min: 0, max: 64, step: 0.5, default: 4 }],
  run(image, values) {
    const paper = onPaper(image);
    const { width, height, data } = paper;
    for (let c = 0; c < 3; c++) {
      const plane = Float32Array.from({ length: width * height }, (_, i) => data[i * 4 + c] as number);
      const soft = gaussianBlur(plane, width, height, valueOf(values, 'sigma'));
      for (let i = 0; i < soft.length; i++) data[i * 4 + c] = soft[i] as number;
    }
    return paper;
  },
} as const satisfies Preprocessor;

export const invert = {
  id: 'invert',
  parameters: [],
  run(image) {
    const paper = onPaper(image);
    for (let o = 0; o < paper.data.length; o += 4) {
      for (let c = 0; c < 3; c++) paper.data[o + c] = 255 - (paper.data[o + c] as number);
    }
    return paper;
  },
} as const satisfies Preprocessor;
