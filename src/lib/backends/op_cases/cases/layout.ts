import { ARITHMETIC, MOVED } from '../bounds';
import { opCase, type OpCase } from '../op_case';

function concat(shapes: readonly (readonly number[])[], axis: number, image: boolean, why: string): OpCase {
  const params = { shapes: shapes.map((shape) => shape.join('x')), axis, layout: image ? 'image' : 'plain' };
  return opCase('concat', params, { why, bound: MOVED }, (s) =>
    s.g.concat(
      shapes.map((shape, i) => (image ? s.image(`x${i}`, shape) : s.plain(`x${i}`, shape))),
      axis,
    ),
  );
}

function slice(shape: readonly number[], axis: number, start: number, length: number, image: boolean, why: string) {
  const params = { shape, axis, start, length, layout: image ? 'image' : 'plain' };
  return opCase('slice', params, { why, bound: MOVED }, (s) =>
    s.g.slice(image ? s.image('x', shape) : s.plain('x', shape), axis, start, length),
  );
}

function transpose(shape: readonly number[], order: readonly number[]): OpCase {
  return opCase('transpose', { shape, order }, { bound: MOVED }, (s) => s.g.transpose(s.plain('x', shape), order));
}

const moved = (why: string) => ({ why, bound: MOVED });

export const layoutCases: readonly OpCase[] = [
  concat(
    [
      [2, 3, 5, 4],
      [2, 6, 5, 4],
    ],
    1,
    true,
    'skip connection',
  ),
  concat(
    [
      [1, 32, 4, 4],
      [1, 32, 4, 4],
      [1, 1, 4, 4],
    ],
    1,
    true,
    'three pictures',
  ),
  concat(
    [
      [1, 4, 3, 5],
      [2, 4, 3, 5],
    ],
    0,
    true,
    'batch',
  ),
  concat(
    [
      [2, 3, 5, 4],
      [2, 3, 1, 4],
    ],
    2,
    true,
    'a row more',
  ),
  concat(
    [
      [2, 3, 5, 4],
      [2, 3, 5, 1],
    ],
    3,
    true,
    'a column more',
  ),
  concat(
    [
      [2, 5, 8],
      [2, 7, 8],
    ],
    1,
    false,
    'text and image tokens',
  ),
  concat(
    [
      [2, 5, 8],
      [2, 5, 3],
    ],
    2,
    false,
    'last axis',
  ),
  concat(
    [
      [1, 6],
      [2, 6],
    ],
    0,
    false,
    'first axis',
  ),
  concat([[4]], 0, false, 'one part'),
  slice([2, 8, 5, 3], 1, 3, 4, true, 'channels'),
  slice([3, 8, 5, 3], 0, 1, 2, true, 'batch'),
  slice([2, 7, 5, 3], 2, 1, 3, true, 'rows of an image'),
  slice([2, 7, 5, 6], 3, 0, 5, true, 'columns of an image'),
  slice([2, 9, 12], 2, 5, 3, false, 'last axis'),
  slice([2, 9, 12], 1, 4, 5, false, 'middle axis'),
  slice([5, 3], 0, 4, 1, false, 'last row'),
  slice([2, 3, 4], 1, 0, 3, false, 'everything'),
  opCase('reshape', { from: [2, 6, 4], to: [2, 3, 8] }, moved('plain'), (s) =>
    s.g.reshape(s.plain('x', [2, 6, 4]), [2, 3, 8]),
  ),
  opCase('reshape', { from: [2, 6], to: [2, 1, 6] }, moved('new axis'), (s) =>
    s.g.reshape(s.plain('x', [2, 6]), [2, 1, 6]),
  ),
  transpose([5, 7], [1, 0]),
  transpose([33, 65], [1, 0]),
  transpose([2, 3, 4], [2, 0, 1]),
  transpose([2, 3, 4], [0, 2, 1]),
  transpose([2, 3, 4, 5], [0, 2, 1, 3]),
  transpose([2, 3, 4, 5], [3, 1, 0, 2]),
  ...[1, 2, 3].map((factor) =>
    opCase('upsampleNearest', { shape: [2, 5, 3, 4], factor }, moved('enlarge'), (s) =>
      s.g.upsampleNearest(s.image('x', [2, 5, 3, 4]), factor),
    ),
  ),
  ...[1, 2, 3].map((size) =>
    opCase('averagePool', { shape: [2, 5, 6, 12], size }, { why: 'mean', bound: ARITHMETIC }, (s) =>
      s.g.averagePool(s.image('x', [2, 5, 6, 12]), size),
    ),
  ),
  ...(['cyx', 'yxc'] as const).flatMap((order) =>
    [1, 2, 4].flatMap((factor) => [
      opCase('pixelShuffle', { c: 3, h: 5, w: 3, factor, order }, moved('channels to pixels'), (s) =>
        s.g.pixelShuffle(s.image('x', [2, 3 * factor * factor, 5, 3]), factor, order),
      ),
      opCase('pixelUnshuffle', { c: 3, h: 2, w: 3, factor, order }, moved('pixels to channels'), (s) =>
        s.g.pixelUnshuffle(s.image('x', [2, 3, 2 * factor, 3 * factor]), factor, order),
      ),
    ]),
  ),
  opCase('imageToTokens', { shape: [2, 5, 3, 7] }, moved('pixels as tokens'), (s) =>
    s.g.imageToTokens(s.image('x', [2, 5, 3, 7])),
  ),
  opCase('imageToTokens', { shape: [1, 33, 1, 65] }, moved('one over a tile'), (s) =>
    s.g.imageToTokens(s.image('x', [1, 33, 1, 65])),
  ),
  opCase('tokensToImage', { shape: [2, 21, 5], height: 3, width: 7 }, moved('tokens as pixels'), (s) =>
    s.g.tokensToImage(s.plain('x', [2, 21, 5]), 3, 7),
  ),
  opCase('vectorToImage', { shape: [2, 5] }, moved('vector as a pixel'), (s) =>
    s.g.vectorToImage(s.plain('x', [2, 5])),
  ),
];
