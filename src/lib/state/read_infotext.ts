/** The parameters inside a picture file as text. */

/** Undefined when there are none, or the file cannot be read as a picture (whoever draws it will say so). */
export async function readInfotext(file: File): Promise<string | undefined> {
  const { readPicture } = await import('./picture_readers');
  try {
    const { infotext } = await readPicture(new Uint8Array(await file.arrayBuffer()), { name: file.name });
    return infotext;
  } catch {
    return undefined;
  }
}
