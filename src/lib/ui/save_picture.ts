/** Hands a picture to the user as a file. */

/** Offers a blob for download under a name. */
export function saveBlob(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The download reads the blob after this task; a minute is more than any browser needs.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** A picture's name with the ending of its format. */
export function pictureName(stem: string | number, { type }: Blob): string {
  return `${stem}.${type === 'image/jpeg' ? 'jpg' : type === 'image/webp' ? 'webp' : 'png'}`;
}
