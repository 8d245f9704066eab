/** What the page and the preprocessing worker say to each other. Plain data only. */
import type { PixelImage } from './engine';

export interface PreprocessContract {
  /**
   * A picture as a control network reads it.
   * @param id  a preprocessor of the canvas folder's registry
   * @param values  by name; names it has not are ignored, missing ones take their default
   * @throws AppError 'canvas/invalid' for a broken picture or a value outside its range
   */
  run(id: string, image: PixelImage, values: Readonly<Record<string, number>>): Promise<PixelImage>;
}
