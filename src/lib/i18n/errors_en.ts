/**
 * What each error code means to the user: a short title and what to do. The precise message stands beside it. A new
 * sentence must be added to the other languages (errors_de.ts, ...); the compiler says where.
 */
import type { ErrorCode } from '../base/error_codes';

export interface ErrorText {
  readonly title: string;
  readonly remedy: string;
}

const text = <const Title extends string, const Remedy extends string>(title: Title, remedy: Remedy) => ({
  title,
  remedy,
});

const GET_AGAIN = 'Download the file again from where you got it. If it stays so, its author must repair it.';
const HOSTILE = 'Do not use this file: it is damaged in a way that honest programs do not write.';
const REPORT = 'Try again. If it happens again, restart the engine on the Engine page.';

export const errorsEn = {
  'internal/unexpected': text('Something unexpected happened', REPORT),
  'argument/invalid': text('That value does not work here', 'Change the value named below.'),
  'job/cancelled': text('Stopped', 'Start it again when you like.'),
  'job/superseded': text('A newer job took its place', 'Nothing to do.'),
  'job/non-finite': text(
    'The picture broke while it was made',
    'Lower the guidance, choose another sampler, or switch the engine to the processor in the settings.',
  ),
  'sampler/unknown': text('Unknown sampler or schedule', 'Choose one from the list.'),
  'sampler/unsupported': text('This sampler does not work with this model', 'Choose another sampler.'),
  'file/out-of-bounds': text('The file is damaged', GET_AGAIN),
  'file/unwritable': text('The file cannot be written', 'Choose another place, or make its folder first.'),
  'file/unreadable': text('The file cannot be read', 'Choose it again; it may have been moved, changed or deleted.'),
  'file/changed': text('The file is another one now', 'Add the file again.'),
  'file/unknown-format': text('This is no model file', 'Choose a safetensors, GGUF, PyTorch or ONNX file.'),
  'file/truncated': text('The file is not complete', GET_AGAIN),
  'file/bad-alignment': text('The file is damaged', GET_AGAIN),
  'file/bad-bool': text('The file is damaged', GET_AGAIN),
  'file/bad-chunk-order': text('The file is damaged', GET_AGAIN),
  'file/bad-chunk-type': text('The file is damaged', GET_AGAIN),
  'file/bad-crc': text('The file is damaged', GET_AGAIN),
  'file/bad-dtype': text('The file is damaged', GET_AGAIN),
  'file/bad-entry': text('The file is damaged', GET_AGAIN),
  'file/bad-key': text('The file is damaged', GET_AGAIN),
  'file/bad-kv-type': text('The file is damaged', GET_AGAIN),
  'file/bad-magic': text('The file is damaged', GET_AGAIN),
  'file/bad-metadata': text('The file is damaged', GET_AGAIN),
  'file/bad-offsets': text('The file is damaged', GET_AGAIN),
  'file/bad-pickle': text('The file is damaged', GET_AGAIN),
  'file/bad-protobuf': text('The file is damaged', GET_AGAIN),
  'file/bad-shape': text('The file is damaged', GET_AGAIN),
  'file/bad-stride': text('The file is damaged', GET_AGAIN),
  'file/bad-text-chunk': text('The file is damaged', GET_AGAIN),
  'file/bad-utf8': text('The file is damaged', GET_AGAIN),
  'file/bad-zip': text('The file is damaged', GET_AGAIN),
  'file/count-overflow': text('The file is damaged', GET_AGAIN),
  'file/deep-nesting': text('The file is damaged', GET_AGAIN),
  'file/duplicate-key': text('The file is damaged', GET_AGAIN),
  'file/forbidden-name': text('The file uses a forbidden name', HOSTILE),
  'file/gap': text('The file is damaged', GET_AGAIN),
  'file/header-too-large': text('The file is damaged', GET_AGAIN),
  'file/json-garbage': text('The file is damaged', GET_AGAIN),
  'file/lora-missing-pair': text('The LoRA is incomplete', GET_AGAIN),
  'file/lora-no-target': text('The LoRA fits nothing here', 'Choose a LoRA made for this kind of model.'),
  'file/lora-nonfinite': text('The LoRA holds broken numbers', GET_AGAIN),
  'file/lora-shape-mismatch': text('The LoRA does not fit this model', 'Choose a LoRA made for this kind of model.'),
  'file/misaligned-offset': text('The file is damaged', GET_AGAIN),
  'file/missing-shard': text('A part of the model is missing', 'Choose all files of the model together.'),
  'file/missing-storage': text('The model lacks weights', GET_AGAIN),
  'file/missing-tensor': text('The model lacks weights', GET_AGAIN),
  'file/nan-alignment': text('The file is damaged', GET_AGAIN),
  'file/overlapping-ranges': text('The file is damaged', GET_AGAIN),
  'file/path-traversal-name': text('The file names places outside of itself', HOSTILE),
  'file/rank-too-large': text('The file is damaged', GET_AGAIN),
  'file/shape-overflow': text('The file is damaged', GET_AGAIN),
  'file/size-mismatch': text('The file is damaged', GET_AGAIN),
  'file/string-length-overflow': text('The file is damaged', GET_AGAIN),
  'file/trailing-data': text('The file is damaged', GET_AGAIN),
  'file/truncated-header': text('The file is damaged', GET_AGAIN),
  'file/unsafe-pickle': text('The file wants to run code', 'Get the same model as a safetensors file.'),
  'file/unsupported-version': text(
    'This version of the format is not supported',
    'Get the model in a current format, best as safetensors.',
  ),
  'file/zip-bomb': text('The file would unpack to an absurd size', HOSTILE),
  'file/no-tensors': text('There are no weights in this file', 'Choose the file that holds the model.'),
  'quant/unknown-type': text('Unknown kind of weights', 'Get the model with another quantisation.'),
  'quant/no-decoder': text('These weights cannot be read', 'Get the model with another quantisation.'),
  'quant/no-encoder': text('Weights of this kind cannot be written', 'Choose another kind to convert to.'),
  'quant/bad-companion': text('The scales of the weights are damaged', GET_AGAIN),
  'graph/shape': text('Sizes do not fit together', 'Choose another width and height.'),
  'graph/unknown-op': text('The model needs an operation that is missing here', 'Choose another model.'),
  'graph/unknown-weight': text('The model lacks weights', GET_AGAIN),
  'lora/shape': text('The LoRA does not fit this model', 'Choose a LoRA made for this kind of model.'),
  'lora/unknown': text('The file is damaged', GET_AGAIN),
  'backend/unavailable': text('The engine is not running', 'Restart it on the Engine page.'),
  'backend/unsupported-op': text(
    'This device cannot run a part of the model',
    'Switch the engine to the processor in the settings.',
  ),
  'backend/compile': text('The model could not be prepared', REPORT),
  'backend/out-of-memory': text(
    'Not enough memory',
    'Choose a smaller picture or a smaller model, and close other tabs.',
  ),
  'backend/device-lost': text(
    'The graphics card was lost',
    'Try again: the engine starts anew. If it goes on, choose a smaller picture.',
  ),
  'backend/disposed': text('The engine was restarted', 'Try again.'),
  'backend/run': text('The engine stopped while computing', REPORT),
  'model/unrecognised': text('This model is not recognised', 'Choose a checkpoint of a supported family.'),
  'model/missing-tensors': text('The model lacks weights', GET_AGAIN),
  'model/wrong-shape': text('The model has unexpected sizes', 'Choose another version of the model.'),
  'model/missing-part': text(
    'A part of the model is missing',
    'Add the missing file: choose all files of the model together on the Models page.',
  ),
  'model/unsupported': text('This model is not supported', 'Choose a model of a supported family.'),
  'tokenizer/vocabulary': text('The word list of the model is damaged', 'Reload the app.'),
  'storage/unavailable': text(
    'The browser refuses to store',
    'Leave private mode or allow site data, then reload. Until then nothing is kept.',
  ),
  'storage/blocked': text('Another tab is in the way', 'Close the other tabs of this app and try again.'),
  'storage/quota': text('The disk is full', 'Delete models or pictures that you do not need, then try again.'),
  'storage/not-found': text('It is no longer there', 'Add it again.'),
  'storage/corrupt': text(
    'Stored data are damaged',
    'Delete it and add it again; the browser may have removed a part.',
  ),
  'storage/hash-mismatch': text('The copy is not what was promised', 'Get it again; the damaged copy was thrown away.'),
  'storage/permission': text('The file may not be read', 'Allow the browser to read it, on the Models page.'),
  'network/changed': text('The file on the server has changed', 'Start the download again.'),
  'network/failed': text(
    'The download failed',
    'Check the connection and the address, then try again; it goes on where it stopped.',
  ),
  'companion/lost': text(
    'The companion went away',
    'Check that it still runs and connect again, or go on with the engine of this device. Your prompt and pictures stay.',
  ),
  'companion/refused': text(
    'The companion refused this',
    'Open the address that it printed at its start, or enter its token again in the settings.',
  ),
  'image/invalid': text('This picture cannot be used', 'Choose another picture.'),
  'image/too-large': text('The picture is too large', 'Make it smaller first.'),
  'canvas/invalid': text('The sketch does not allow this', 'Change the value named below.'),
  'canvas/too-large': text('The sketch would be too large', 'Choose a smaller size.'),
  'canvas/unknown-layer': text('This layer is gone', 'Choose another layer.'),
  'canvas/layer-locked': text('This layer is locked', 'Unlock it first.'),
  'canvas/corrupt-record': text(
    'A part of the sketch is damaged',
    'The rest was restored; save your work under a new name.',
  ),
} satisfies Readonly<Record<ErrorCode, ErrorText>>;

/** Every title and remedy. Many codes share theirs, so other languages translate sentences, not codes. */
export type ErrorSentence = (typeof errorsEn)[ErrorCode]['title' | 'remedy'];
export type ErrorSentences = Readonly<Record<ErrorSentence, string>>;
