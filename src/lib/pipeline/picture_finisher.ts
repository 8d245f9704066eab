/** From latents to files: decode, let extensions see, paste back, describe, save. */
import type { HostTensor } from '../backends/backend';
import type { GeneratedImage, PixelImage } from '../rpc/engine';
import { decodeLatent } from './autoencoder';
import { correctColors } from './color_correction';
import { imageGrid } from './image_grid';
import { compose, type PreparedMask } from './inpaint';
import type { JobContext } from './job_context';
import { pickLatent } from './latents';
import { maskPicture } from './mask_image';
import { describeImage } from './metadata';
import { savePicture } from './save_picture';
import { placeMask, softOverlay } from './soft_inpaint';

export class PictureFinisher {
  readonly #job: JobContext;

  constructor(job: JobContext) {
    this.#job = job;
  }

  /** Decodes, lets extensions see, pastes back, saves: one picture after another. */
  async *finish(latents: HostTensor, batch: number): AsyncGenerator<{ image: GeneratedImage; picture: PixelImage }> {
    const { request } = this.#job.settings;
    const { hooks } = this.#job.parts;
    this.#job.enter('decode');
    this.#job.tell('decode', batch);
    const tiling = request.tiling === true;
    const decoded: PixelImage[] = [];
    // An interrupted job decodes what it has, so the signal plays no part here.
    for (let i = 0; i < request.batchSize; i++) {
      decoded.push(await decodeLatent(this.#job.model, pickLatent(latents, i), { tiling }));
    }
    await hooks.emit('afterBatch', { batch, images: decoded });
    const { images } = await hooks.emit('afterBatchList', { batch, images: decoded });
    for (const [i, start] of images.entries()) {
      const told = await hooks.emit('image', { index: i, image: start });
      told.image = this.#corrected(told.image);
      const prepared = this.#overlaid(latents, i);
      await hooks.emit('maskOverlay', { index: i, overlay: prepared && maskPicture(prepared.overlay) });
      const whole = prepared ? compose(prepared, told.image) : told.image;
      const { image: picture } = await hooks.emit('imageComposited', { index: i, image: whole });
      const index = batch * request.batchSize + i;
      const { seed, infotext } = this.#describe(index);
      this.#job.enter('save');
      yield { image: await this.#save(picture, { index, seed, infotext }), picture };
      this.#job.enter('decode');
    }
  }

  #corrected(image: PixelImage): PixelImage {
    if (this.#job.settings.request.init?.colorCorrection !== true || !this.#job.prepared.start) return image;
    return correctColors(image, this.#job.parts.host.colorReference ?? this.#job.prepared.start.picture);
  }

  /** What is pasted back where; with soft inpainting the latents decide. */
  #overlaid(latents: HostTensor, index: number): PreparedMask | undefined {
    const { prepared, encoded } = this.#job.prepared.start?.inpaint ?? {};
    const { soft } = this.#job.settings.request.init?.inpaint ?? {};
    if (!prepared || !encoded || !soft) return prepared;
    const [, , height = 0, width = 0] = latents.shape;
    const painted = pickLatent(latents, Math.min(index, (latents.shape[0] ?? 1) - 1)).data;
    const compared = { init: encoded.init.data, painted, mask: encoded.latentMask };
    const overlay = softOverlay(compared, { width, height }, prepared.mask, soft);
    return { ...prepared, overlay: placeMask(overlay, prepared.box, prepared.original) };
  }

  /** Every picture on one sheet, saved like the others. */
  async grid(pictures: readonly PixelImage[]): Promise<GeneratedImage> {
    const { hooks } = this.#job.parts;
    const { columns } = await hooks.emit('grid', {
      images: pictures,
      columns: Math.ceil(Math.sqrt(pictures.length)),
    });
    return this.#save(imageGrid(pictures, columns), { index: 0, ...this.#describe(0) });
  }

  async #save(
    image: PixelImage,
    { index, seed, infotext }: { index: number; seed: number; infotext: string },
  ): Promise<GeneratedImage> {
    const { hooks, host } = this.#job.parts;
    const { encodePicture } = host;
    const { widthPx: width, heightPx: height } = image;
    if (!encodePicture) return { index, widthPx: width, heightPx: height, seed, infotext, file: new Blob([]) };
    const told = await hooks.emit('beforeSave', { image, infotext });
    const { file, notice } = await savePicture(
      encodePicture,
      told.image,
      told.infotext,
      this.#job.settings.request.save,
    );
    if (notice !== undefined) this.#job.noticeOnce('format', notice);
    await hooks.emit('saved', { file, infotext: told.infotext });
    const { widthPx, heightPx } = told.image;
    return { index, widthPx, heightPx, seed, infotext: told.infotext, file };
  }

  #describe(index: number): { seed: number; infotext: string } {
    const refiner =
      this.#job.prepared.refiner &&
      `${this.#job.prepared.refiner.name}${this.#job.prepared.refiner.hash ? ` [${this.#job.prepared.refiner.hash}]` : ''}`;
    return describeImage(this.#job.model, this.#job.settings, index, {
      loraHashes: this.#job.loraHashes,
      embeddingHashes: this.#job.embeddings?.used ?? new Map(),
      refiner,
      masked: this.#job.prepared.start?.inpaint !== undefined,
      control: this.#job.prepared.control,
      vae: this.#job.model.vae,
    });
  }
}
