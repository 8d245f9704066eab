/** What the page and the models worker say to each other: the model library's contract. Plain data only. */

export interface ModelEntry {
  readonly id: string;
  readonly name: string;
  readonly builtin: boolean;
  /** False for a built-in model that has not been fetched yet. */
  readonly stored: boolean;
  readonly sizeBytes: number;
  readonly addedAt: number;
  readonly usedAt: number;
  /** First 10 digits of the main file's SHA-256. */
  readonly hash: string;
  readonly files: readonly { readonly path: string; readonly sizeBytes: number; readonly sha256: string }[];
  readonly family?: string;
  readonly familyLabel?: string;
  readonly kind?: string;
  readonly weightTypes?: readonly string[];
  readonly origin?: string;
  readonly licence?: string;
  readonly notes?: string;
}

/** What a file's header tells, before anything is copied. */
export interface FileReport {
  readonly name: string;
  readonly sizeBytes: number;
  /** checkpoint, vae, lora, … as `detectFile` names them. */
  readonly kind: string;
  readonly family?: string;
  readonly weightTypes: readonly string[];
  readonly tensors: number;
  readonly parts: readonly string[];
  readonly title?: string;
  readonly licence?: string;
}

export interface SelectionReport {
  readonly name: string;
  readonly sizeBytes: number;
  readonly files: readonly FileReport[];
  /** Of the model that the files make together; absent for single parts. */
  readonly familyLabel?: string;
  readonly family?: string;
  readonly missing: readonly string[];
  /** Why the files make no model, when they make none. */
  readonly problem?: string;
  /** Files that are no model files. */
  readonly ignored: readonly string[];
  /** For a download: whether it can go on after a break. */
  readonly resumable?: boolean;
}

export interface UnfinishedImport {
  readonly id: string;
  readonly name: string;
  readonly path: string;
  readonly url?: string;
  readonly doneBytes: number;
  readonly sizeBytes: number;
}

export type TransferProgress = (doneBytes: number, totalBytes: number) => void;

/** Every rejection is an AppError. */
export interface ModelsContract {
  list(): Promise<ModelEntry[]>;
  unfinished(): Promise<UnfinishedImport[]>;
  inspectFiles(files: readonly File[]): Promise<SelectionReport>;
  inspectUrl(url: string): Promise<SelectionReport>;
  /** Copies files into the store as one model; `id` also names the task for `cancel`. */
  importFiles(id: string, name: string, files: readonly File[], onProgress: TransferProgress): Promise<ModelEntry>;
  download(id: string, url: string, onProgress: TransferProgress): Promise<ModelEntry>;
  verify(id: string, onProgress: TransferProgress): Promise<{ readonly damaged: readonly string[] }>;
  cancel(id: string): Promise<void>;
  discard(importId: string): Promise<void>;
  rename(id: string, name: string): Promise<void>;
  annotate(id: string, change: { readonly notes?: string; readonly licence?: string }): Promise<void>;
  delete(id: string): Promise<void>;
  /** The stored files as Blobs that read from the store's own. */
  exportFiles(id: string): Promise<readonly { readonly path: string; readonly blob: Blob }[]>;
}
