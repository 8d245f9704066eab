/** What a picture says about its making: the one entry point for "drop an image" and the PNG info page. */
import { a1111, infotextCandidate } from './dialects/a1111';
import type { DialectReading } from './dialects/dialect';
import { dialects } from './dialects/dialects';
import { readImageTexts } from './image_texts';
import type { ImageTexts } from './image_texts';
import { writeParameters } from './parameter_fields';
import { readStealth } from './stealth';
import type { RgbaPixels } from './stealth';

export interface PictureReading extends Partial<DialectReading> {
  readonly image: ImageTexts;
  /** The text in A1111's grammar as found; undefined when there is none. */
  readonly infotext?: string;
  /** The same in A1111's grammar for pictures of other programs. */
  readonly translated?: string;
}

/**
 * Reads a picture's parameters.
 * @param pixels  decodes the picture for hidden text; asked only when there is no other text
 * @throws AppError as `readImageTexts`
 */
export async function readPicture(
  bytes: Uint8Array,
  options: { readonly name?: string; readonly pixels?: () => Promise<RgbaPixels | undefined> } = {},
): Promise<PictureReading> {
  const image = readImageTexts(bytes, options.name);
  const reading = readTexts(image);
  if (reading.tool !== undefined || options.pixels === undefined) return reading;
  const pixels = await options.pixels();
  const hidden = pixels === undefined ? undefined : readStealth(pixels);
  if (hidden === undefined) return reading;
  return readTexts({ ...image, texts: new Map([...image.texts, ['parameters', hidden]]) });
}

/** The reading of texts that are at hand already. */
function readTexts(image: ImageTexts): PictureReading {
  for (const dialect of dialects) {
    const reading = dialect.read(image);
    if (reading === undefined) continue;
    if (dialect === a1111) {
      const infotext = infotextCandidate(image.texts);
      return { image, ...reading, ...(infotext === undefined ? {} : { infotext }) };
    }
    return { image, ...reading, translated: writeParameters(reading.parameters) };
  }
  return { image };
}
