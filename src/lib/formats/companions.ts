/**
 * Joins weights with the tensors that hold their scales and hides those: bitsandbytes 4-bit and LLM.int8 layouts,
 * scaled fp8 and int8. After this pass an index lists weights only, with their true shapes.
 */
import { AppError } from '../base/errors';
import { readRaw } from '../quant/dequantize';
import { isQuantTypeId, type QuantTypeId } from '../quant/registry';
import { elementCount, type CompanionName, type QuantParams, type StoredTensor } from '../quant/tensor';
import { quoted, utf8 } from './format_error';
import { isJsonArray, isJsonObject, jsonInteger, JsonNumber, parseStrictJson, type JsonObject } from './strict_json';
import type { MetadataValue, TensorIndex } from './tensor_index';

const QUANT_STATE = /^(.*)\.quant_state\.bitsandbytes__(nf4|fp4)$/;
const MAX_STATE_BYTES = 64 * 1024;
const SCALE_SUFFIXES = ['.scale_weight', '.weight_scale'];
/** Activation scales of fp8 files: the engine computes with float activations and does not need them. */
const IGNORED_SUFFIXES = ['.scale_input', '.input_scale'];
const SCALED_TYPES: readonly QuantTypeId[] = ['F8_E4M3', 'F8_E5M2', 'F8_E4M3FNUZ', 'F8_E5M2FNUZ', 'I8'];
const FP8_MARKER = 'scaled_fp8';

function badCompanion(where: string, what: string, cause?: unknown): AppError {
  return new AppError('quant/bad-companion', `${where}: ${what}; the file is incomplete or of an unknown layout.`, {
    details: { where, what },
    cause,
  });
}

/**
 * Attaches companion tensors.
 * @returns the same index when nothing is to attach, else a new one
 * @throws AppError 'quant/bad-companion' for quant states or scales that do not fit their weight
 */
export async function attachCompanions(index: TensorIndex, signal?: AbortSignal): Promise<TensorIndex> {
  const pass = new CompanionPass(index);
  for (const name of index.tensors.keys()) {
    await pass.attachBnb4(name, signal);
    await pass.attachInt8Rows(name, signal);
    await pass.attachScale(name, signal);
  }
  return pass.result();
}

class CompanionPass {
  private readonly replaced = new Map<string, StoredTensor>();
  private readonly hidden = new Set<string>();
  private readonly metadata: Map<string, MetadataValue>;

  constructor(private readonly index: TensorIndex) {
    this.metadata = new Map(index.metadata);
    const marker = index.tensors.get(FP8_MARKER);
    if (marker) {
      this.hidden.add(FP8_MARKER);
      this.metadata.set(FP8_MARKER, marker.type);
    }
  }

  result(): TensorIndex {
    if (this.hidden.size === 0) return this.index;
    const tensors = new Map<string, StoredTensor>();
    for (const [name, tensor] of this.index.tensors) {
      if (!this.hidden.has(name)) tensors.set(name, this.replaced.get(name) ?? tensor);
    }
    return { ...this.index, tensors, metadata: this.metadata };
  }

  async attachBnb4(stateName: string, signal: AbortSignal | undefined): Promise<void> {
    const match = QUANT_STATE.exec(stateName);
    const state = this.index.tensors.get(stateName);
    if (!match || !state) return;
    const [, weightName = '', kind = ''] = match;
    const where = `${this.index.name}, tensor ${quoted(weightName)}`;
    const weight = this.index.tensors.get(weightName);
    if (!weight) throw badCompanion(where, 'its quant state is there, the weight is not');
    if (state.byteLength > MAX_STATE_BYTES) throw badCompanion(where, `a quant state of ${state.byteLength} bytes`);
    const json = parseState(where, await readRaw(state, signal ? { signal } : {}));
    const { shape, params } = readState(where, json);
    const type = kind.toUpperCase();
    if (!isQuantTypeId(type) || Math.ceil(elementCount(shape) / 2) !== weight.byteLength) {
      throw badCompanion(where, `${weight.byteLength} bytes do not hold the 4-bit shape [${shape.join(', ')}]`);
    }
    const companions: Partial<Record<CompanionName, StoredTensor>> = {};
    for (const part of ['absmax', 'quant_map', 'nested_absmax', 'nested_quant_map'] as const) {
      const tensor = this.index.tensors.get(`${weightName}.${part}`);
      if (!tensor) continue;
      companions[part] = tensor;
      this.hidden.add(tensor.name);
    }
    const nested = params.nestedBlockSize !== undefined;
    if (!companions.absmax || (nested && !(companions.nested_absmax && companions.nested_quant_map))) {
      throw badCompanion(
        where,
        `block scales are missing: ${nested ? 'absmax, nested_absmax or nested_quant_map' : 'absmax'}`,
      );
    }
    this.hidden.add(stateName);
    this.replaced.set(weightName, { ...weight, type, shape, companions, params });
  }

  async attachInt8Rows(name: string, signal: AbortSignal | undefined): Promise<void> {
    if (!name.endsWith('.SCB')) return;
    const base = name.slice(0, -'.SCB'.length);
    const scale = this.index.tensors.get(name);
    const weight = this.index.tensors.get(`${base}.weight`);
    if (!scale || weight?.type !== 'I8') return;
    const where = `${this.index.name}, tensor ${quoted(weight.name)}`;
    if (elementCount(scale.shape) !== weight.shape[0]) {
      throw badCompanion(where, `${elementCount(scale.shape)} row scales for shape [${weight.shape.join(', ')}]`);
    }
    const format = this.index.tensors.get(`${base}.weight_format`);
    if (format) {
      const [code] = await readRaw(format, signal ? { signal } : {});
      if (code !== 0) throw badCompanion(where, `LLM.int8 weight format ${code}, only rows (0) are read`);
      this.hidden.add(format.name);
    }
    this.hidden.add(name);
    this.replaced.set(weight.name, { ...weight, type: 'LLM_INT8', companions: { SCB: scale } });
  }

  async attachScale(name: string, signal: AbortSignal | undefined): Promise<void> {
    const suffix = SCALE_SUFFIXES.find((end) => name.endsWith(end));
    const scale = this.index.tensors.get(name);
    if (suffix === undefined || !scale) return;
    const base = name.slice(0, -suffix.length);
    const weight = this.index.tensors.get(`${base}.weight`);
    if (!weight || !SCALED_TYPES.includes(weight.type)) return;
    const where = `${this.index.name}, tensor ${quoted(weight.name)}`;
    const count = elementCount(scale.shape);
    if (count !== 1 && count !== weight.shape[0]) {
      throw badCompanion(where, `${count} scales for shape [${weight.shape.join(', ')}]; one or one per row are read`);
    }
    const layout = this.index.tensors.get(`${base}.comfy_quant`);
    if (layout && layout.byteLength <= MAX_STATE_BYTES) {
      // The rotated variant transforms activations at run time; taking its weights as they are would be silently wrong.
      const text = utf8(where, 'the layout description', await readRaw(layout, signal ? { signal } : {}));
      if (text.includes('convrot')) throw badCompanion(where, 'the rotated int8 layout "convrot" is not supported');
      this.hidden.add(layout.name);
    }
    for (const ignored of IGNORED_SUFFIXES) {
      if (this.index.tensors.has(base + ignored)) this.hidden.add(base + ignored);
    }
    this.hidden.add(name);
    this.replaced.set(weight.name, { ...weight, companions: { scale } });
  }
}

function parseState(where: string, bytes: Uint8Array): JsonObject {
  const json = parseStrictJson(utf8(where, 'the quant state', bytes), `${where}, quant state`);
  if (!isJsonObject(json)) throw badCompanion(where, 'the quant state is no object');
  return json;
}

function readState(where: string, json: JsonObject): { shape: number[]; params: QuantParams } {
  const shapeValue = json.get('shape');
  const dimensions = isJsonArray(shapeValue) ? shapeValue.map((item) => Number(jsonInteger(item) ?? NaN)) : [NaN];
  if (dimensions.length > 8 || !Number.isSafeInteger(elementCount(dimensions))) {
    throw badCompanion(where, 'the quant state has no valid shape');
  }
  const positive = (key: string): number => {
    const value = Number(jsonInteger(json.get(key)) ?? 0n);
    if (!(value > 0 && value <= 2 ** 31)) throw badCompanion(where, `the quant state has no valid ${key}`);
    return value;
  };
  const dtype = json.get('dtype');
  const nested = json.has('nested_blocksize');
  const offset = json.get('nested_offset');
  const params: QuantParams = {
    blockSize: positive('blocksize'),
    ...(typeof dtype === 'string' ? { originalDtype: dtype } : {}),
    ...(nested
      ? {
          nestedBlockSize: positive('nested_blocksize'),
          nestedOffset: offset instanceof JsonNumber ? Number(offset.text) : 0,
        }
      : {}),
  };
  return { shape: dimensions, params };
}
