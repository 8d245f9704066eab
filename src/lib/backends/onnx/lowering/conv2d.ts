/** Convolution, pooling and moves between pixels and channels. Images are NCHW. */
import { int, ints, text } from '../onnx_proto';
import { activate } from './activation';
import type { Emitter, Lowering, TensorName } from './lowering';

function enlarged(emitter: Emitter, x: TensorName, factor: number): TensorName {
  if (factor === 1) return x;
  const scales = emitter.floats(new Float32Array([1, 1, factor, factor]), [4]);
  return emitter.add('Resize', [x, '', scales], {
    mode: text('nearest'),
    coordinate_transformation_mode: text('asymmetric'),
    nearest_mode: text('floor'),
  });
}

export const conv2d: Lowering<'conv2d'> = (emitter, { inputs, attrs }) => {
  const [xId, weightId, biasId, residualId] = inputs;
  const [, , kh = 0, kw = 0] = emitter.value(weightId).shape;
  const [top, right, bottom, left] = attrs.pad;
  let x = enlarged(emitter, emitter.tensor(xId), attrs.upsample);
  let pads = [top, left, bottom, right];
  if (attrs.padMode === 'circular' && pads.some((pad) => pad !== 0)) {
    x = emitter.add('Pad', [x, emitter.ints([0, 0, top, left, 0, 0, bottom, right])], { mode: text('wrap') });
    pads = [0, 0, 0, 0];
  }
  const args = [x, emitter.tensor(weightId), ...(biasId === undefined ? [] : [emitter.tensor(biasId)])];
  let y = emitter.add('Conv', args, {
    kernel_shape: ints([kh, kw]),
    strides: ints([attrs.stride, attrs.stride]),
    pads: ints(pads),
  });
  if (attrs.activation) y = activate(emitter, attrs.activation, y);
  return residualId === undefined ? y : emitter.add('Add', [y, emitter.tensor(residualId)]);
};

export const upsampleNearest: Lowering<'upsampleNearest'> = (emitter, { inputs, attrs }) =>
  enlarged(emitter, emitter.tensor(inputs[0]), attrs.factor);

export const averagePool: Lowering<'averagePool'> = (emitter, { inputs, attrs }) => {
  const window = ints([attrs.size, attrs.size]);
  return emitter.add('AveragePool', [emitter.tensor(inputs[0])], { kernel_shape: window, strides: window });
};

/** CRD reads the channel index as (c, dy, dx), DCR as (dy, dx, c). */
export const pixelShuffle: Lowering<'pixelShuffle'> = (emitter, { inputs, attrs }) =>
  emitter.add('DepthToSpace', [emitter.tensor(inputs[0])], {
    blocksize: int(attrs.factor),
    mode: text(attrs.order === 'cyx' ? 'CRD' : 'DCR'),
  });

export const pixelUnshuffle: Lowering<'pixelUnshuffle'> = (emitter, { inputs, attrs, output }) => {
  const x = emitter.tensor(inputs[0]);
  const { shape } = emitter.value(inputs[0]);
  const f = attrs.factor;
  if (attrs.order === 'yxc') return emitter.add('SpaceToDepth', [x], { blocksize: int(f) });
  const [n = 0, c = 0, h = 0, w = 0] = shape;
  const split = emitter.reshape(x, shape, [n, c, h / f, f, w / f, f]);
  const moved = emitter.add('Transpose', [split], { perm: ints([0, 1, 3, 5, 2, 4]) });
  return emitter.add('Reshape', [moved, emitter.ints(emitter.value(output).shape)]);
};
