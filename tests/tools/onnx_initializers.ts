/** ONNX models that are nothing but named weights, with the bytes in a file beside them, as exporters write large ones. */

const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value & 127) | 128, ...varint(Math.floor(value / 128))];
const bytes = (field: number, value: Uint8Array | readonly number[]): number[] => [
  ...varint(field * 8 + 2),
  ...varint(value.length),
  ...value,
];
const text = (field: number, value: string) => bytes(field, Buffer.from(value));
const number = (field: number, value: number) => [...varint(field * 8), ...varint(value)];

export interface NamedFloats {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/**
 * @param location plain name of the file that holds the data
 * @returns both files; data of each tensor start at a multiple of 64
 */
export function onnxWithData(tensors: readonly NamedFloats[], location: string): { model: Buffer; data: Buffer } {
  const pieces: Buffer[] = [];
  let at = 0;
  const initializers = tensors.flatMap(({ name, shape, data }) => {
    const place = { location, offset: String(at), length: String(data.length) };
    const padded = Buffer.alloc(Math.ceil(data.length / 64) * 64);
    padded.set(data);
    pieces.push(padded);
    at += padded.length;
    const external = Object.entries(place).flatMap(([key, value]) => bytes(13, [...text(1, key), ...text(2, value)]));
    const dims = shape.flatMap((size) => number(1, size));
    return bytes(5, [...dims, ...number(2, 1), ...text(8, name), ...external, ...number(14, 1)]);
  });
  return { model: Buffer.from([...number(1, 10), ...bytes(7, initializers)]), data: Buffer.concat(pieces) };
}
