/** How much of the disk the app uses, and the wish that the browser keeps it. */

export interface StorageUsage {
  readonly usedBytes: number;
  /** What the browser would give; an estimate that is never a reason to refuse. */
  readonly quotaBytes: number;
  /** The browser promised not to evict. */
  readonly persistent: boolean;
}

/** Undefined where the browser does not tell (private modes, plain http). */
export async function storageUsage(): Promise<StorageUsage | undefined> {
  const storage = (navigator as { storage?: StorageManager }).storage;
  if (!storage) return undefined;
  try {
    const [{ usage, quota }, persistent] = await Promise.all([storage.estimate(), storage.persisted()]);
    return { usedBytes: usage ?? 0, quotaBytes: quota ?? 0, persistent };
  } catch {
    return undefined;
  }
}

/** Asks the browser to keep the app's data; some ask the user, some decide by themselves. */
export async function requestPersistence(): Promise<boolean> {
  const storage = (navigator as { storage?: StorageManager }).storage;
  return (await storage?.persist().catch(() => false)) ?? false;
}
