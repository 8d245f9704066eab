/** What was dropped, with the paths of folders and, where the browser gives them, handles to use files in place. */
import type { PickedFile } from '../rpc/models';

/** More files than any model has: someone dropped a home folder. */
const MAX_FILES = 5000;

type HandleItem = DataTransferItem & { getAsFileSystemHandle?: () => Promise<FileSystemHandle | null> };

interface Dropped {
  readonly entry: FileSystemEntry | null;
  readonly file: File | null;
  readonly handle: Promise<FileSystemHandle | null> | undefined;
}

/**
 * Files of a drop or a paste. Call it inside the event: the browser takes the items away afterwards.
 */
export function droppedFiles(transfer: DataTransfer): Promise<PickedFile[]> {
  const items = [...transfer.items].filter((item) => item.kind === 'file');
  const dropped = items.map((item): Dropped => {
    const entry = item.webkitGetAsEntry();
    const handle = entry?.isDirectory ? undefined : (item as HandleItem).getAsFileSystemHandle?.();
    return { entry, file: item.getAsFile(), handle };
  });
  return collect(dropped);
}

async function collect(dropped: readonly Dropped[]): Promise<PickedFile[]> {
  const found: PickedFile[] = [];
  for (const { entry, file, handle } of dropped) {
    if (entry?.isDirectory) await walk(entry as FileSystemDirectoryEntry, found);
    else if (file) {
      const own = await handle?.catch(() => null);
      found.push({ path: file.name, file, ...(own?.kind === 'file' ? { handle: own as FileSystemFileHandle } : {}) });
    }
  }
  return found;
}

async function walk(folder: FileSystemDirectoryEntry, found: PickedFile[]): Promise<void> {
  const reader = folder.createReader();
  for (;;) {
    // A reader gives at most 100 entries at a time.
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0 || found.length >= MAX_FILES) return;
    for (const entry of entries) {
      if (entry.isDirectory) await walk(entry as FileSystemDirectoryEntry, found);
      else found.push({ path: entry.fullPath, file: await fileOf(entry as FileSystemFileEntry) });
    }
  }
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

/** Files of an input, with the paths of a chosen folder. */
export function chosenFiles(files: Iterable<File>): PickedFile[] {
  return [...files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

interface PickerWindow {
  showOpenFilePicker?: (options: { multiple: boolean; id: string }) => Promise<FileSystemFileHandle[]>;
}

/** Whether the browser lets files be used where they are. */
export const canUseInPlace = (): boolean => 'showOpenFilePicker' in globalThis;

/** Asks for files that stay where they are; empty when the user thought better of it. */
export async function pickInPlace(): Promise<PickedFile[]> {
  const { showOpenFilePicker } = globalThis as PickerWindow;
  const handles = await showOpenFilePicker?.({ multiple: true, id: 'models' }).catch((error: unknown) => {
    if (error instanceof DOMException && error.name === 'AbortError') return [];
    throw error;
  });
  return Promise.all(
    (handles ?? []).map(async (handle) => ({ path: handle.name, file: await handle.getFile(), handle })),
  );
}
