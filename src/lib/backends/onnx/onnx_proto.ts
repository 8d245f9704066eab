/**
 * ONNX messages as plain data, and their encoding. Field numbers are those of onnx.proto (ONNX 1.16, IR version 10).
 * Knows nothing of the graph IR.
 */
import type { Shape } from '../../base/shape';
import { ProtoWriter } from './proto_writer';

/** TensorProto.DataType. */
export const ONNX_TYPE = { f32: 1, u8: 2, i32: 6, i64: 7 } as const;
export type OnnxType = keyof typeof ONNX_TYPE;

export type OnnxAttr =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'ints'; readonly value: readonly number[] };

export const int = (value: number): OnnxAttr => ({ kind: 'int', value });
export const float = (value: number): OnnxAttr => ({ kind: 'float', value });
export const text = (value: string): OnnxAttr => ({ kind: 'string', value });
export const ints = (value: readonly number[]): OnnxAttr => ({ kind: 'ints', value });

export interface OnnxNode {
  readonly name: string;
  readonly opType: string;
  /** Empty for the standard operators, `com.microsoft` for the runtime's own. */
  readonly domain: string;
  /** An absent optional input is the empty string. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attrs: Readonly<Record<string, OnnxAttr>>;
}

export interface OnnxValueInfo {
  readonly name: string;
  readonly type: OnnxType;
  readonly shape: Shape;
}

export interface OnnxInitializer extends OnnxValueInfo {
  readonly data:
    | { readonly kind: 'inline'; readonly bytes: Uint8Array }
    | { readonly kind: 'external'; readonly location: string; readonly offset: number; readonly length: number };
}

export interface OnnxModel {
  readonly graphName: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxInitializer[];
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
}

/** Opset 20 has Gelu, 21 the present InstanceNormalization and Pad; every runtime in use reads both. */
const OPSET = 21;
const IR_VERSION = 10;
const CONTRIB = 'com.microsoft';

const ATTR_TYPE = { float: 1, int: 2, string: 3, ints: 7 } as const;

function encodeAttr(name: string, attr: OnnxAttr): ProtoWriter {
  const writer = new ProtoWriter().string(1, name);
  switch (attr.kind) {
    case 'float':
      writer.float(2, attr.value);
      break;
    case 'int':
      writer.int(3, attr.value);
      break;
    case 'string':
      writer.string(4, attr.value);
      break;
    case 'ints':
      for (const value of attr.value) writer.int(8, value);
      break;
    default:
      attr satisfies never;
  }
  return writer.int(20, ATTR_TYPE[attr.kind]);
}

function encodeNode(node: OnnxNode): ProtoWriter {
  const writer = new ProtoWriter();
  for (const input of node.inputs) writer.string(1, input);
  for (const output of node.outputs) writer.string(2, output);
  writer.string(3, node.name).string(4, node.opType);
  for (const [name, attr] of Object.entries(node.attrs)) writer.message(5, encodeAttr(name, attr));
  if (node.domain !== '') writer.string(7, node.domain);
  return writer;
}

function encodeInitializer({ name, type, shape, data }: OnnxInitializer): ProtoWriter {
  const writer = new ProtoWriter();
  for (const size of shape) writer.int(1, size);
  writer.int(2, ONNX_TYPE[type]).string(8, name);
  if (data.kind === 'inline') return writer.bytes(9, data.bytes);
  const entry = (key: string, value: string) => new ProtoWriter().string(1, key).string(2, value);
  writer.message(13, entry('location', data.location));
  writer.message(13, entry('offset', String(data.offset)));
  writer.message(13, entry('length', String(data.length)));
  return writer.int(14, 1);
}

function encodeValueInfo({ name, type, shape }: OnnxValueInfo): ProtoWriter {
  const dims = new ProtoWriter();
  for (const size of shape) dims.message(1, new ProtoWriter().int(1, size));
  const tensorType = new ProtoWriter().int(1, ONNX_TYPE[type]).message(2, dims);
  return new ProtoWriter().string(1, name).message(2, new ProtoWriter().message(1, tensorType));
}

/** The model as the bytes of a `.onnx` file. */
export function encodeModel(model: OnnxModel): Uint8Array {
  const graph = new ProtoWriter();
  for (const node of model.nodes) graph.message(1, encodeNode(node));
  graph.string(2, model.graphName);
  for (const initializer of model.initializers) graph.message(5, encodeInitializer(initializer));
  for (const input of model.inputs) graph.message(11, encodeValueInfo(input));
  for (const output of model.outputs) graph.message(12, encodeValueInfo(output));
  const writer = new ProtoWriter().int(1, IR_VERSION).string(2, 'sketchforge').message(7, graph);
  writer.message(8, new ProtoWriter().string(1, '').int(2, OPSET));
  if (model.nodes.some((node) => node.domain === CONTRIB)) {
    writer.message(8, new ProtoWriter().string(1, CONTRIB).int(2, 1));
  }
  return writer.finish().slice();
}
