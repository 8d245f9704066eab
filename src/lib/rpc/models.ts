/** What the page and the models worker say to each other: the model library's contract. Plain data only. */

export interface ModelEntry {
  readonly id: string;
  readonly name: string;
  readonly builtin: boolean;
  /** False for a built-in model that has not been fetched yet. */
  readonly stored: boolean;
  /** The files stay where the user has them. */
  readonly inPlace: boolean;
  readonly sizeBytes: number;
  readonly addedAt: number;
  readonly usedAt: number;
  /** First 10 digits of the main file's SHA-256, as the web UIs show it; empty while nobody has read the file. */
  readonly hash: string;
  readonly files: readonly { readonly path: string; readonly sizeBytes: number; readonly sha256: string }[];
  readonly family?: string;
  readonly familyLabel?: string;
  readonly kind?: string;
  readonly weightTypes?: readonly string[];
  /** What the files hold: roles and text encoder ids. */
  readonly parts?: readonly { readonly role: string; readonly encoder?: string }[];
  /** Labels of parts that must be added before it makes pictures. */
  readonly missing?: readonly string[];
  readonly origin?: string;
  readonly licence?: string;
  readonly notes?: string;
  readonly tags?: readonly string[];
  readonly triggerWords?: readonly string[];
  readonly description?: string;
  readonly baseModel?: string;
  readonly pageUrl?: string;
  readonly preview?: Blob;
}

/** A file that the user chose or dropped. */
export interface PickedFile {
  /** Relative path with `/`, as the dropped folder has it. */
  readonly path: string;
  readonly file: File;
  /** Where the browser gives one: the file can be used in place. */
  readonly handle?: FileSystemFileHandle;
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
}

/** A part that a model needs and its files lack. */
export interface MissingPart {
  readonly label: string;
  readonly role: string;
  readonly encoder?: string;
}

/** One model that could be added. */
export interface ModelProposal {
  /** Also the id of the model once it is added: the same files again go on where they stopped. */
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  readonly sizeBytes: number;
  readonly files: readonly FileReport[];
  readonly familyLabel?: string;
  readonly family?: string;
  readonly missing: readonly MissingPart[];
  /** Why the files make no model, when they make none. */
  readonly problem?: string;
  readonly licence?: string;
  readonly baseModel?: string;
  readonly triggerWords?: readonly string[];
  /** It is in the store already. */
  readonly known: boolean;
}

export interface SelectionReport {
  /** Names the selection for `add` and `fit`; a later selection replaces it. */
  readonly id: string;
  readonly models: readonly ModelProposal[];
  /** Files that are no model files and belong to none. */
  readonly ignored: readonly string[];
  /** For a download: whether it can go on after a break. */
  readonly resumable?: boolean;
  /** Every file came with a handle: it can be used without a copy. */
  readonly canStayInPlace: boolean;
}

export interface AddRequest {
  readonly selection: string;
  /** `ModelProposal.id`. */
  readonly model: string;
  /** Ids of stored models whose files complete it. */
  readonly parts?: readonly string[];
  /** Uses the files where they are, without a copy. */
  readonly inPlace?: boolean;
}

/** What is planned for: a proposal of a selection, or a stored model. */
export type FitTarget =
  | { readonly selection: string; readonly model: string; readonly parts?: readonly string[] }
  | { readonly stored: string };

export interface FitDevice {
  /** Memory that the engine may use; absent: estimated from what the browser tells of the device. */
  readonly budgetBytes?: number;
  /** The page computes with WebAssembly. */
  readonly wasm: boolean;
}

export interface FitSize {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly verdict: 'fits' | 'fits with tiling and sequential loading' | 'companion' | 'no';
  /** One sentence with the numbers that decide. */
  readonly reason: string;
  readonly peakBytes?: number;
  readonly secondsPerPicture?: number;
}

export interface FitReport {
  readonly sizes: readonly FitSize[];
  readonly budgetBytes: number;
  readonly maxBufferBytes: number;
  /** Speed that jobs on this device reached; absent before the first one. */
  readonly flopsPerSecond?: number;
  readonly notes: readonly string[];
}

/** A finished job, as far as it tells the device's speed. */
export interface SpeedSample {
  readonly model: string;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly steps: number;
  readonly pictures: number;
  readonly guided: boolean;
  readonly denoiseMs: number;
}

export const CONVERT_TYPES = ['q8_0', 'q4_0', 'q4_k', 'nf4', 'f16'] as const;
export type ConvertType = (typeof CONVERT_TYPES)[number];

export interface ConvertReport {
  readonly entry: ModelEntry;
  readonly beforeBytes: number;
  readonly afterBytes: number;
  /** Worst first. */
  readonly worst: readonly {
    readonly name: string;
    readonly to: string;
    readonly nmse: number;
    readonly maxAbs: number;
  }[];
}

export interface UnfinishedImport {
  /** The model's id. */
  readonly id: string;
  readonly name: string;
  /** Addresses, for downloads. */
  readonly urls?: readonly string[];
  readonly doneBytes: number;
  readonly sizeBytes: number;
  /** The user stopped it. */
  readonly paused: boolean;
  /** Its files can be read again without being chosen again, when the user allows it. */
  readonly fromFiles: boolean;
}

export type TransferProgress = (doneBytes: number, totalBytes: number) => void;

/** What the user may change of a stored model. */
export interface ModelAnnotation {
  readonly name?: string;
  readonly notes?: string;
  readonly licence?: string;
  readonly tags?: readonly string[];
  readonly triggerWords?: readonly string[];
  readonly preview?: Blob;
}

/** Every rejection is an AppError. Ids of tasks, for `cancel`, are those of their models. */
export interface ModelsContract {
  list(): Promise<ModelEntry[]>;
  /** Brings the app's default model into the store, for a device that computes elsewhere and may have to go on alone. */
  keepDefault(): Promise<void>;
  unfinished(): Promise<UnfinishedImport[]>;
  chooseFiles(files: readonly PickedFile[]): Promise<SelectionReport>;
  /** Addresses of the files of a model; an index of shards brings its shards along. */
  chooseUrls(text: string): Promise<SelectionReport>;
  /** Copies or downloads a proposal, or adds it in place. */
  add(request: AddRequest, onProgress: TransferProgress): Promise<ModelEntry>;
  /** Goes on with an unfinished download, or with a copy whose files can be read again. */
  resume(id: string, onProgress: TransferProgress): Promise<ModelEntry>;
  /** Resolves when no tab works on a model. */
  free(id: string): Promise<void>;
  /** Stops a task; `paused` keeps a download from going on by itself. */
  cancel(id: string, paused: boolean): Promise<void>;
  /** Frees what an unfinished import has stored. */
  discard(id: string): Promise<void>;
  fit(target: FitTarget, device: FitDevice): Promise<FitReport>;
  noteSpeed(sample: SpeedSample): Promise<void>;
  verify(id: string, onProgress: TransferProgress): Promise<{ readonly damaged: readonly string[] }>;
  /** A new stored model of the files of several: one with a denoiser, others that complete it. */
  assemble(name: string, ids: readonly string[]): Promise<ModelEntry>;
  /** A smaller copy of a stored model. */
  convert(id: string, type: ConvertType, onProgress: TransferProgress): Promise<ConvertReport>;
  annotate(id: string, change: ModelAnnotation): Promise<void>;
  delete(id: string): Promise<void>;
  /** The stored files as Blobs that read from the store's own. */
  exportFiles(id: string): Promise<readonly { readonly path: string; readonly blob: Blob }[]>;
  /** Handles of files in place, so that the page can ask for permission again. */
  handles(id: string): Promise<readonly FileSystemFileHandle[]>;
}
