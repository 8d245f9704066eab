/** Files that ship with the app, in Node. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { staticDir } from './node_model';

/** @param path below `static/`, as the product's own tables name it */
export async function readAsset(path: string): Promise<Uint8Array<ArrayBuffer>> {
  return Uint8Array.from(await readFile(join(staticDir, path)));
}
