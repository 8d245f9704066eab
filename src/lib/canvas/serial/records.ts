/**
 * A document as plain records for storage, and back.
 *
 * Crash-consistent order for whoever stores them: (1) write the tile records, each under its own key
 * (documentId, layerId, tx, ty, revision), overwriting nothing; (2) write the document record, which names the revision
 * of every tile that belongs to it: this is the commit point; (3) delete tile records that it no longer names. In one
 * transaction the order does not matter. A crash before (2) leaves the previous document whole, after (2) the new one.
 */
import { deflateSync, inflateSync } from 'fflate';
import { AppError } from '../../base/errors';
import { createDocument, type CanvasDocument } from '../document/document';
import type { LayerProps } from '../document/layer';
import { createTile, TILE_BYTES, TILE_SIZE, tileKey, tileX, tileY, type Tile, type TileMap } from '../tiles/tile';
import type { Rgb } from '../document/pixels';

export const DOCUMENT_FORMAT = 1;

export interface DocumentRecord {
  readonly format: typeof DOCUMENT_FORMAT;
  readonly id: string;
  /** Revision of the document as saved. */
  readonly revision: number;
  readonly width: number;
  readonly height: number;
  readonly background: Rgb | null;
  /** Bottom first; `tiles` lists [tx, ty, revision] of every tile that is not transparent. */
  readonly layers: readonly {
    readonly props: LayerProps;
    readonly tiles: readonly (readonly [tx: number, ty: number, revision: number])[];
  }[];
}

export type TileEncoding = 'raw' | 'deflate' | 'uniform';

export interface TileRecord {
  readonly documentId: string;
  readonly layerId: string;
  readonly tx: number;
  readonly ty: number;
  readonly revision: number;
  /** `uniform`: 4 bytes that every pixel repeats; `deflate`: RFC 1951 without header. Pixels are premultiplied RGBA8. */
  readonly encoding: TileEncoding;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface TileAddress {
  readonly layerId: string;
  readonly tx: number;
  readonly ty: number;
}

/** The pixels of one tile as a record; never shares memory with the tile. */
export function encodeTile(
  tile: Tile,
  address: TileAddress & { readonly documentId: string; readonly revision: number },
  compress: boolean,
): TileRecord {
  const first = tile.words[0];
  if (tile.words.every((word) => word === first)) {
    return { ...address, encoding: 'uniform', bytes: tile.bytes.slice(0, 4) };
  }
  if (!compress) return { ...address, encoding: 'raw', bytes: tile.bytes.slice() };
  return { ...address, encoding: 'deflate', bytes: new Uint8Array(deflateSync(tile.bytes, { level: 1 })) };
}

/** @throws AppError `canvas/corrupt-record` when the bytes are no tile */
function decodeTile(record: TileRecord): Tile {
  const tile = createTile();
  switch (record.encoding) {
    case 'uniform':
      if (record.bytes.length !== 4) throw corrupt(record, `4 bytes for a uniform tile, got ${record.bytes.length}`);
      for (let i = 0; i < TILE_BYTES; i += 4) tile.bytes.set(record.bytes, i);
      return tile;
    case 'raw':
      if (record.bytes.length !== TILE_BYTES) throw corrupt(record, `${TILE_BYTES} bytes, got ${record.bytes.length}`);
      tile.bytes.set(record.bytes);
      return tile;
    case 'deflate': {
      // The output buffer bounds what damaged or hostile data can expand to.
      let out: Uint8Array;
      try {
        out = inflateSync(record.bytes, { out: new Uint8Array(TILE_BYTES + 1) });
      } catch (cause) {
        throw corrupt(record, 'readable deflate data', cause);
      }
      if (out.length !== TILE_BYTES) throw corrupt(record, `${TILE_BYTES} bytes after inflating, got ${out.length}`);
      tile.bytes.set(out);
      return tile;
    }
    default:
      record.encoding satisfies never;
      throw corrupt(record, 'a known encoding');
  }
}

/** The record that commits a save. `tileAt` gives the committed tile, which an open stroke may hide. */
export function encodeDocument(
  document: CanvasDocument,
  revision: number,
  tileAt: (map: TileMap, key: number) => Tile | undefined = (map, key) => map.get(key),
): DocumentRecord {
  const { width, height, background, layers } = document.shape;
  return {
    format: DOCUMENT_FORMAT,
    id: document.id,
    revision,
    width,
    height,
    background: background ?? null,
    layers: layers.map(({ props, tiles }) => ({
      props,
      tiles: [...tiles.tiles.keys()]
        .filter((key) => tileAt(tiles, key) !== undefined)
        .sort((a, b) => a - b)
        .map((key) => [tileX(key), tileY(key), tiles.revisions.get(key) ?? 0] as const),
    })),
  };
}

export interface RestoredDocument {
  readonly document: CanvasDocument;
  readonly revision: number;
  /** Tiles that were named but missing or damaged; only with `salvage`. They come back transparent. */
  readonly lost: readonly TileAddress[];
}

/**
 * Rebuilds a document. Tile records of other revisions or layers are ignored.
 * @param options.salvage give back what can be read instead of refusing
 * @throws AppError `canvas/corrupt-record` for an unknown format, a missing or damaged tile;
 *   `canvas/invalid`, `canvas/too-large` for sizes and layers that no document may have
 */
export function restoreDocument(
  record: DocumentRecord,
  tiles: Iterable<TileRecord>,
  options: { readonly salvage: boolean } = { salvage: false },
): RestoredDocument {
  assertRecord(record);
  const document = createDocument({
    id: record.id,
    width: record.width,
    height: record.height,
    background: record.background ?? undefined,
    layers: record.layers.map((layer) => layer.props),
  });
  const records = new Map<string, TileRecord>();
  for (const tile of tiles) records.set(recordKey(tile.layerId, tile.tx, tile.ty, tile.revision), tile);
  const lost: TileAddress[] = [];
  record.layers.forEach((saved, i) => {
    const map = document.shape.layers[i]?.tiles;
    if (!map) return;
    for (const [tx, ty, revision] of saved.tiles) {
      const address = { layerId: saved.props.id, tx, ty };
      const tile = readTile(record, records, { ...address, revision }, options.salvage);
      if (!tile) lost.push(address);
      map.set(tileKey(tx, ty), tile);
      map.revisions.set(tileKey(tx, ty), revision);
    }
  });
  return { document, revision: record.revision, lost };
}

/** Shape of what comes from storage; values are checked where they are used. */
function assertRecord(record: unknown): void {
  const { format, layers } = (isObject(record) ? record : {}) as { format?: unknown; layers?: unknown };
  if (format !== DOCUMENT_FORMAT) {
    throw new AppError(
      'canvas/corrupt-record',
      `document record: format must be ${DOCUMENT_FORMAT}, got ${String(format)}; update the app.`,
      { details: { format } },
    );
  }
  const isLayer = (layer: unknown): boolean => {
    if (!isObject(layer)) return false;
    const { props, tiles } = layer as { props?: unknown; tiles?: unknown };
    return isObject(props) && Array.isArray(tiles) && tiles.every((tile) => Array.isArray(tile));
  };
  if (Array.isArray(layers) && layers.every(isLayer)) return;
  throw new AppError(
    'canvas/corrupt-record',
    'document record: must list layers with props and tiles; restore an older save.',
  );
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

function readTile(
  document: DocumentRecord,
  records: ReadonlyMap<string, TileRecord>,
  wanted: TileAddress & { readonly revision: number },
  salvage: boolean,
): Tile | undefined {
  const { layerId, tx, ty, revision } = wanted;
  const inside =
    Number.isSafeInteger(tx) &&
    Number.isSafeInteger(ty) &&
    tx >= 0 &&
    ty >= 0 &&
    tx * TILE_SIZE < document.width &&
    ty * TILE_SIZE < document.height;
  const found = records.get(recordKey(layerId, tx, ty, revision));
  try {
    if (!inside) throw corrupt(wanted, 'a place inside the document');
    if (!found) throw corrupt(wanted, `a tile record of revision ${revision}, got none`);
    return decodeTile(found);
  } catch (error) {
    if (salvage && error instanceof AppError) return undefined;
    throw error;
  }
}

function recordKey(layerId: string, tx: number, ty: number, revision: number): string {
  return `${tx},${ty},${revision},${layerId}`;
}

function corrupt(address: TileAddress, rule: string, cause?: unknown): AppError {
  return new AppError(
    'canvas/corrupt-record',
    `saved tile (${address.tx}, ${address.ty}) of layer "${address.layerId}": must have ${rule}; restore with salvage to keep the rest.`,
    { details: { layerId: address.layerId, tx: address.tx, ty: address.ty }, cause },
  );
}
