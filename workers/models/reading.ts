/** A selection read from files or addresses, with what copying it needs. */
import type { ByteSource } from '../../src/lib/base/byte_source';
import { AppError } from '../../src/lib/base/errors';
import type { PickedFile } from '../../src/lib/rpc/models';
import type { ImportHandle } from '../../src/lib/storage/database';
import { readHandle } from '../../src/lib/storage/file_in_place';
import type { Chosen } from './adding';
import { probeAll, remoteSources, type Fetch } from './remote_files';
import { pickedSources, readSelection } from './selection';

/** @throws AppError 'file/*' when a model file cannot be read */
export async function readPicked(picked: readonly PickedFile[]): Promise<Chosen> {
  const sources = pickedSources(picked);
  const dates = new Map(sources.map((source, i) => [source.name, picked[i]?.file.lastModified ?? 0]));
  const identity = ({ name, sizeBytes }: ByteSource) => `${name}:${sizeBytes}:${dates.get(name) ?? ''}`;
  return { ...(await readSelection(sources, identity)), picked };
}

/** @throws AppError 'network/*', 'file/*' */
export async function readAddresses(addresses: readonly string[], get?: Fetch): Promise<Chosen> {
  const files = await probeAll(addresses, get);
  const sources = remoteSources(files, get);
  const urls = new Map(sources.map((source, i) => [source.name, files[i]?.url ?? '']));
  const selection = await readSelection(sources, ({ name }) => urls.get(name) ?? name);
  const remotes = files.flatMap((file, i) => {
    const source = sources[i];
    return source ? [{ file, source }] : [];
  });
  return { ...selection, remotes };
}

/**
 * Files of an import that a closed tab ended, by their handles.
 * @throws AppError 'storage/permission' when the user must allow them again, 'file/unreadable' when one is gone
 */
export async function pickedAgain(name: string, handles: readonly ImportHandle[]): Promise<PickedFile[]> {
  const picked: PickedFile[] = [];
  for (const { path, handle } of handles) {
    const { queryPermission } = handle as { queryPermission?: (to: { mode: 'read' }) => Promise<PermissionState> };
    const state = await queryPermission?.call(handle, { mode: 'read' });
    if (state === 'prompt' || state === 'denied') {
      throw new AppError(
        'storage/permission',
        `${name}: the browser asks again whether ${path} may be read; allow it.`,
      );
    }
    picked.push({ path, file: await readHandle(`${name}: ${path}`, handle), handle });
  }
  return picked;
}
