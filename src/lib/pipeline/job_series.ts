/** Jobs made of several generations: their events under one numbering, their results as one. */
import type { GeneratedImage, JobEvent, JobResult, PixelImage, StageTime } from '../rpc/engine';
import { writeParameters, readParameters } from '../infotext/parameter_fields';
import type { GenerateHost } from './generate';

/** One generation's pictures and what it cost. */
export interface Part {
  readonly result: JobResult;
  readonly pictures: readonly PixelImage[];
}

/** Collects the generations of a job. */
export class JobSeries {
  readonly #host: GenerateHost;
  readonly #keep: boolean;
  readonly #images: GeneratedImage[] = [];
  readonly #times = new Map<StageTime['stage'], number>();
  #peakBytes = 0;
  #telemetry: JobResult['telemetry'];

  /** @param keep  pictures are written to files and reported; else they are only handed on as pixels */
  constructor(host: GenerateHost, keep: boolean) {
    this.#host = host;
    this.#keep = keep;
  }

  get images(): readonly GeneratedImage[] {
    return this.#images;
  }

  /** Runs one generation; its pictures are numbered after those before it. */
  async run(part: (host: GenerateHost) => Promise<JobResult>): Promise<Part> {
    const { encodePicture: _encode, ...silent } = this.#host;
    const host = this.#keep ? this.#host : silent;
    const first = this.#images.length;
    const pictures: PixelImage[] = [];
    const result = await part({
      ...host,
      onPicture: (picture, image) => {
        pictures.push(picture);
        if (this.#keep) this.#host.onPicture?.(picture, image);
      },
      onEvent: (event: JobEvent) => {
        if (event.kind !== 'image') this.#host.onEvent(event);
        else if (this.#keep) this.#report({ ...event.image, index: first + event.image.index });
      },
    });
    for (const { stage, ms } of result.times) this.#times.set(stage, (this.#times.get(stage) ?? 0) + ms);
    this.#peakBytes = Math.max(this.#peakBytes, result.peakBytes);
    this.#telemetry = result.telemetry ?? this.#telemetry;
    return { result, pictures };
  }

  #report(image: GeneratedImage): void {
    this.#images.push(image);
    this.#host.onEvent({ kind: 'image', image });
  }

  /** Telemetry is the last generation's; times are sums, memory the highest. */
  result(interrupted: boolean): JobResult {
    return {
      images: this.#images,
      times: [...this.#times].map(([stage, ms]) => ({ stage, ms })),
      peakBytes: this.#peakBytes,
      interrupted,
      ...(this.#telemetry ? { telemetry: this.#telemetry } : {}),
    };
  }
}

/** An infotext with further entries, in place of entries of the same key. */
export function addPairs(infotext: string, pairs: readonly (readonly [key: string, value: string])[]): string {
  const parameters = readParameters(infotext);
  return writeParameters({ ...parameters, extra: new Map([...parameters.extra, ...pairs]) });
}
