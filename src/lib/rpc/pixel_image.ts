/** Pixels for the engine, not premultiplied. */
export interface PixelImage {
  readonly widthPx: number;
  readonly heightPx: number;
  /** RGBA, 4 bytes a pixel. */
  readonly rgba: Uint8ClampedArray<ArrayBuffer>;
}
