/** Which of the files that were given together are one model, and which stand for themselves. */
import type { OpenedFile } from './open_model_files';

const has = (file: OpenedFile, ...roles: readonly string[]) =>
  file.detected.parts.some((part) => roles.includes(part.role));

/**
 * Groups of files, the main one of each first. One denoiser takes the text encoders and autoencoders that were given
 * with it; with several, only the components of a pipeline's folder belong together. Adapters, embeddings and
 * upscalers are always on their own.
 */
export function groupFiles(files: readonly OpenedFile[]): OpenedFile[][] {
  const denoisers = files.filter((file) => has(file, 'denoiser'));
  const parts = files.filter((file) => !has(file, 'denoiser') && has(file, 'text-encoder', 'vae'));
  const rest = files.filter((file) => !denoisers.includes(file) && !parts.includes(file));
  const [main] = denoisers;
  if (!main) return [...joinHalves(parts), ...rest.map((file) => [file])];
  const mine = parts.filter(
    (part) => denoisers.length === 1 || (main.component !== undefined && part.component !== undefined),
  );
  const others = [...denoisers.slice(1), ...parts.filter((part) => !mine.includes(part)), ...rest];
  return [[main, ...mine], ...others.map((file) => [file])];
}

/** The encoder and the decoder of a tiny autoencoder come as two files. */
function joinHalves(parts: readonly OpenedFile[]): OpenedFile[][] {
  const kind = (wanted: string) => parts.filter((part) => part.detected.kind === wanted);
  const [decoder, ...decoders] = kind('tiny-vae-decoder');
  const [encoder, ...encoders] = kind('tiny-vae-encoder');
  if (!decoder || !encoder || decoders.length + encoders.length > 0) return parts.map((part) => [part]);
  return [[decoder, encoder], ...parts.filter((part) => part !== decoder && part !== encoder).map((part) => [part])];
}
