/** Pictures on their way to the studio: set by the gallery or a dropped file, taken by the canvas. */

export interface HandedPicture {
  readonly picture: Blob;
  readonly name: string;
  /** `sketch`: a layer of the canvas; `img2img`: the starting picture of the next generation. */
  readonly use: 'sketch' | 'img2img';
}

export class Handover {
  waiting: HandedPicture | undefined = $state.raw();

  send(picture: HandedPicture): void {
    this.waiting = picture;
  }

  /** The picture, once. */
  take(): HandedPicture | undefined {
    const { waiting } = this;
    this.waiting = undefined;
    return waiting;
  }
}
