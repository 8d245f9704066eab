/** GIF comment extensions. Source: GIF89a specification, sections 15 and 24. */
import { fileError } from './format_error';
import { decodeTextBytes } from './png_text_bytes';

const EXTENSION = 0x21;
const COMMENT = 0xfe;
const IMAGE = 0x2c;
const MOST_COMMENTS = 100;

export function isGif(bytes: Uint8Array): boolean {
  return /^GIF8[79]a$/.test(String.fromCharCode(...bytes.subarray(0, 6)));
}

/**
 * Comments of a GIF; stops without an error where the file is damaged.
 * @throws AppError 'file/bad-magic' for other formats
 */
export function readGifComments(bytes: Uint8Array, name = 'gif'): string[] {
  if (!isGif(bytes)) throw fileError('file/bad-magic', name, 'the file does not begin like a GIF');
  const comments: string[] = [];
  const colours = (flags: number): number => (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  let at = 13 + colours(bytes[10] ?? 0);
  while (at + 1 < bytes.length && comments.length < MOST_COMMENTS) {
    const kind = bytes[at];
    if (kind === EXTENSION) {
      const isComment = bytes[at + 1] === COMMENT;
      const { data, end } = subBlocks(bytes, at + 2);
      if (isComment) comments.push(decodeTextBytes(data, 'latin-1-or-utf-8') ?? '');
      at = end;
    } else if (kind === IMAGE) {
      at = subBlocks(bytes, at + 11 + colours(bytes[at + 9] ?? 0)).end;
    } else break;
  }
  return comments;
}

function subBlocks(bytes: Uint8Array, start: number): { data: Uint8Array; end: number } {
  const pieces: Uint8Array[] = [];
  let at = start;
  let length = bytes[at] ?? 0;
  while (length > 0) {
    pieces.push(bytes.subarray(at + 1, at + 1 + length));
    at += 1 + length;
    length = bytes[at] ?? 0;
  }
  const data = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    data.set(piece, offset);
    offset += piece.length;
  }
  return { data, end: at + 1 };
}
