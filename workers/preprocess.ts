/** The preprocessing worker: pictures for control networks, away from the page and the engine. */
import { expose, transfer } from 'comlink';
import { preprocess } from '../src/lib/canvas/preprocess/preprocessor';
import { preprocessorById, type PreprocessorId } from '../src/lib/canvas/preprocess/registry';
import { installErrorTransfer } from '../src/lib/rpc/error_transfer';
import type { PixelImage } from '../src/lib/rpc/engine';
import type { PreprocessContract } from '../src/lib/rpc/preprocess';

installErrorTransfer();

expose({
  async run(id: string, { widthPx: width, heightPx: height, rgba }: PixelImage, values) {
    const chosen = preprocessorById(id as PreprocessorId);
    const names = chosen.parameters.map(({ name }) => name);
    const own = Object.fromEntries(Object.entries(values).filter(([name]) => names.includes(name)));
    const made = preprocess(chosen, { width, height, data: rgba }, own);
    const image = { widthPx: made.width, heightPx: made.height, rgba: made.data };
    return transfer(image, [image.rgba.buffer]);
  },
} satisfies PreprocessContract);
