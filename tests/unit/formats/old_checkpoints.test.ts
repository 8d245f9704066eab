/** What old training programs leave beside the weights is read as inert data; everything that could act is refused. */
import { describe, expect, it } from 'vitest';
import { readPickle } from '../../../src/lib/formats/pickle_reader';
import { PickleCall, PickleDict } from '../../../src/lib/formats/pickle_values';

const ascii = (text: string) => [...text].map((letter) => letter.charCodeAt(0));
const text = (value: string) => [0x58, value.length, 0, 0, 0, ...ascii(value)];
const global = (module: string, name: string) => [0x63, ...ascii(`${module}\n${name}\n`)];
const [MARK, TUPLE, REDUCE, BUILD, NEWOBJ, SETITEM, STOP] = [0x28, 0x74, 0x52, 0x62, 0x81, 0x73, 0x2e];
const EMPTY_DICT = 0x7d;
const EMPTY_TUPLE = 0x29;

/** A dict with one key, as torch saves checkpoints. */
const read = (...value: number[]) =>
  readPickle(Uint8Array.from([0x80, 2, EMPTY_DICT, ...text('key'), ...value, SETITEM, STOP]), 0, 'old.ckpt').value;

function only(...value: number[]): unknown {
  const dict = read(...value);
  return dict instanceof PickleDict ? dict.entries.get('key') : undefined;
}

describe('a pickle of an old checkpoint', () => {
  it('keeps a numpy counter as a record', () => {
    const dtype = [
      ...global('numpy', 'dtype'),
      MARK,
      ...text('f8'),
      0x4b,
      0,
      0x4b,
      1,
      TUPLE,
      REDUCE,
      MARK,
      0x4b,
      3,
      TUPLE,
      BUILD,
    ];
    const bytes = [...global('_codecs', 'encode'), MARK, ...text('12345678'), ...text('latin1'), TUPLE, REDUCE];
    const scalar = only(...global('numpy.core.multiarray', 'scalar'), MARK, ...dtype, ...bytes, TUPLE, REDUCE);
    expect(scalar).toBeInstanceOf(PickleCall);
    expect((scalar as PickleCall).callee.key).toBe('numpy.core.multiarray scalar');
  });

  it.each([
    ['pytorch_lightning.callbacks.model_checkpoint', 'ModelCheckpoint'],
    ['omegaconf.dictconfig', 'DictConfig'],
    ['argparse', 'Namespace'],
  ])('drops the state of %s.%s', (module, name) => {
    const made = only(...global(module, name), EMPTY_TUPLE, NEWOBJ, EMPTY_DICT, ...text('a'), 0x4b, 1, SETITEM, BUILD);
    expect(made).toBeInstanceOf(PickleCall);
  });

  it.each([
    ['builtins', 'eval'],
    ['numpy.core.multiarray', 'fromfile'],
    ['numpy', 'load'],
    ['_codecs', 'decode'],
    ['pathlib', 'Path.unlink'],
    ['pytorch_lightning.callbacks', 'LambdaCallback'],
    ['omegaconf.omegaconf', 'OmegaConf'],
  ])('refuses %s.%s when it is named', (module, name) => {
    expect(() => read(...global(module, name))).toThrow(expect.objectContaining({ code: 'file/unsafe-pickle' }));
  });
});
