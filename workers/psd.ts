/** The PSD worker: layered files take hundreds of milliseconds to pack, which the thread that draws has not. */
import { expose, transfer } from 'comlink';
import { DocumentEditor } from '../src/lib/canvas/document_editor';
import { readPsdFile, writePsdFile, type PsdContract } from '../src/lib/canvas/serial/psd_file';
import { restoreDocument } from '../src/lib/canvas/serial/records';
import { installErrorTransfer } from '../src/lib/rpc/error_transfer';

installErrorTransfer();

expose({
  write({ document, tiles }, names) {
    return writePsdFile(new DocumentEditor(restoreDocument(document, tiles).document), names);
  },
  async read(file, name) {
    const picture = await readPsdFile(file, name);
    return transfer(
      picture,
      picture.layers.flatMap(({ image }) => image?.data.buffer ?? []),
    );
  },
} satisfies PsdContract);
