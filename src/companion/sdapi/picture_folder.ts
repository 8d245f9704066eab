/** Where pictures are kept when a request asks for it: one folder, names made here, nothing written elsewhere. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { AppError } from '../../lib/base/errors';

const EXTENSIONS: Readonly<Record<string, string>> = { 'image/png': 'png', 'image/jpeg': 'jpg', 'image/webp': 'webp' };

export class PictureFolder {
  readonly #folder: string;
  #next: number | undefined;

  constructor(folder: string) {
    this.#folder = resolve(folder);
  }

  /**
   * @returns the file's name
   * @throws AppError 'file/unwritable'
   */
  async save(picture: Blob, seed: number): Promise<string> {
    try {
      this.#next ??= await this.#firstFree();
      const name = `${String(this.#next).padStart(5, '0')}-${seed}.${EXTENSIONS[picture.type] ?? 'png'}`;
      this.#next += 1;
      // Never over a file that is there.
      await writeFile(join(this.#folder, name), new Uint8Array(await picture.arrayBuffer()), { flag: 'wx' });
      return name;
    } catch (cause) {
      throw new AppError(
        'file/unwritable',
        'output folder: a picture could not be written; check its space and permissions.',
        { cause },
      );
    }
  }

  async #firstFree(): Promise<number> {
    await mkdir(this.#folder, { recursive: true });
    const numbers = (await readdir(this.#folder)).map((name) => Number(/^(\d{5,})-/.exec(name)?.[1] ?? 0));
    return Math.max(0, ...numbers) + 1;
  }
}
