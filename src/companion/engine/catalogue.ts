/** What lies in the companion's model folders, as plain data: what lists show and names are looked up in. */
import type { FileKind } from '../../lib/models/detect';

export interface CatalogueFile {
  /** Path below its folder with `/`; tells files apart, and says nothing of the rest of the disk. */
  readonly id: string;
  /** File name with its extension. */
  readonly file: string;
  /** File name without it: the name in tags, infotexts and lists. */
  readonly name: string;
  readonly kind: FileKind;
  readonly family?: string;
  readonly sizeBytes: number;
  /** Known once the file was used: hashing gigabytes takes longer than listing them. */
  readonly sha256?: string;
  /** Texts of the header, such as `ss_network_dim`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Embeddings: number of vectors and their width. */
  readonly vectors?: { readonly count: number; readonly width: number };
  /** Upscalers: their own factor. */
  readonly scale?: number;
  readonly builtin?: boolean;
}

export interface Catalogue {
  readonly files: readonly CatalogueFile[];
  /** Files that could not be read or are of no known kind, and why. */
  readonly skipped: readonly { readonly id: string; readonly reason: string }[];
}

/** Groups of lists; a file may be in none. */
const GROUPS = {
  model: ['checkpoint', 'unet', 'transformer'],
  module: ['vae', 'tiny-vae', 'text_encoder', 'partial'],
  vae: ['vae', 'tiny-vae'],
  lora: ['lora'],
  embedding: ['embedding'],
  upscaler: ['upscaler'],
  control: ['controlnet', 't2i-adapter', 'ip-adapter'],
} as const satisfies Readonly<Record<string, readonly FileKind[]>>;

export type CatalogueGroup = keyof typeof GROUPS;

export function filesOf({ files }: Catalogue, group: CatalogueGroup): readonly CatalogueFile[] {
  const kinds: readonly FileKind[] = GROUPS[group];
  return files.filter((file) => kinds.includes(file.kind));
}

/** Title of a model as the web UIs write it: file name, and the hash once it is known. */
export function titleOf({ file, sha256 }: CatalogueFile): string {
  return sha256 === undefined ? file : `${file} [${sha256.slice(0, 10)}]`;
}

/**
 * The file that a client means: by title, file name, name, id or hash, exactly first and then without regard to case.
 * A hash in brackets behind a name may be missing or out of date, as in the web UIs.
 */
export function findFile(catalogue: Catalogue, group: CatalogueGroup, wanted: string): CatalogueFile | undefined {
  const files = filesOf(catalogue, group);
  const plain = wanted.replace(/\s*\[[0-9a-f]{8,64}\]$/i, '').trim();
  const hash = /^[0-9a-f]{10,64}$/i.test(plain) ? plain.toLowerCase() : undefined;
  const names = (file: CatalogueFile): string[] => [titleOf(file), file.file, file.name, file.id];
  const lower = plain.toLowerCase();
  return (
    files.find((file) => names(file).includes(wanted)) ??
    files.find((file) => names(file).includes(plain)) ??
    files.find((file) => names(file).some((name) => name.toLowerCase() === lower)) ??
    (hash === undefined ? undefined : files.find(({ sha256 }) => sha256?.startsWith(hash)))
  );
}
