/**
 * WGSL text by name, composition of fragments, and what a composed kernel says about itself: bindings and parameters.
 * The shader text is the only place where these are written down. Knows no device.
 */
import { AppError } from '../../base/errors';

/** File name below `wgsl/` without the extension (`gemm_plain`, `quant/q4_k`) → text. */
export type KernelSources = ReadonlyMap<string, string>;

export interface KernelBinding {
  readonly name: string;
  readonly binding: number;
  readonly access: 'read' | 'read_write';
}

export type ParamType = 'u32' | 'i32' | 'f32' | 'vec4<u32>' | 'vec4<f32>';

export interface KernelParam {
  readonly name: string;
  readonly type: ParamType;
  readonly offset: number;
}

/** A position in one of the files that a kernel was put together from. */
export interface SourceLine {
  readonly file: string;
  readonly line: number;
}

export interface ComposedKernel {
  /** Files joined with `+`; equal labels have equal text. */
  readonly label: string;
  readonly code: string;
  readonly bindings: readonly KernelBinding[];
  readonly params: readonly KernelParam[];
  readonly paramsBytes: number;
  /** Where line `n` (1-based) of `code` comes from. */
  readonly lineAt: (line: number) => SourceLine;
}

const BINDING = /@group\(0\) @binding\((\d+)\) var<storage, (read|read_write)> (\w+):/g;
const PARAMS = /struct Params \{([^}]*)\}/;
const FIELD = /^\s*(\w+): (u32|i32|f32|vec4<u32>|vec4<f32>),/;

/**
 * Joins files into one shader. Order does not matter to WGSL; it is kept, so that equal lists give equal text.
 * @throws AppError 'backend/compile' for a missing file or a kernel without parameters
 */
export function composeKernel(sources: KernelSources, files: readonly string[]): ComposedKernel {
  const starts: { readonly file: string; readonly firstLine: number }[] = [];
  const parts: string[] = [];
  let line = 1;
  for (const file of files) {
    const text = sources.get(file);
    if (text === undefined) throw kernelError(`kernel ${files.join('+')}: there is no file wgsl/${file}.wgsl.`);
    starts.push({ file, firstLine: line });
    parts.push(text);
    line += text.split('\n').length;
  }
  const code = parts.join('\n');
  const label = files.join('+');
  const { params, bytes } = parseParams(label, code);
  return {
    label,
    code,
    bindings: parseBindings(code),
    params,
    paramsBytes: bytes,
    lineAt(at) {
      const start = starts.findLast(({ firstLine }) => firstLine <= at);
      return start ? { file: `wgsl/${start.file}.wgsl`, line: at - start.firstLine + 1 } : { file: label, line: at };
    },
  };
}

function parseBindings(code: string): readonly KernelBinding[] {
  const found = [...code.matchAll(BINDING)].map(([, binding, access, name]) => ({
    name: name ?? '',
    binding: Number(binding),
    access: access === 'read' ? ('read' as const) : ('read_write' as const),
  }));
  return found.sort((a, b) => a.binding - b.binding);
}

/** Offsets by the rules of the uniform address space: vectors of 4 start at multiples of 16. */
function parseParams(label: string, code: string) {
  const body = PARAMS.exec(code)?.[1];
  if (body === undefined) throw kernelError(`kernel ${label}: it must declare "struct Params".`);
  const params: KernelParam[] = [];
  let offset = 0;
  for (const line of body.split('\n')) {
    const [, name, type] = FIELD.exec(line) ?? [];
    if (name === undefined || type === undefined) continue;
    const wide = type.startsWith('vec4');
    if (wide) offset = Math.ceil(offset / 16) * 16;
    params.push({ name, type: type as ParamType, offset });
    offset += wide ? 16 : 4;
  }
  return { params, bytes: Math.ceil(offset / 16) * 16 };
}

function kernelError(message: string): AppError {
  return new AppError('backend/compile', message);
}

export type ParamValue = number | readonly number[];

/**
 * Writes parameters in the layout of a kernel, little-endian.
 * @throws AppError 'internal/unexpected' when a value is missing, surplus or no number
 */
export function writeParams(
  kernel: Pick<ComposedKernel, 'label' | 'params'>,
  values: Readonly<Record<string, ParamValue>>,
  view: DataView,
  offset: number,
): void {
  const names = new Set(Object.keys(values));
  for (const param of kernel.params) {
    const value = values[param.name];
    names.delete(param.name);
    const list = typeof value === 'number' ? [value] : (value ?? []);
    const size = param.type.startsWith('vec4') ? 4 : 1;
    if (list.length !== size || list.some((x) => Number.isNaN(x))) {
      throw new AppError(
        'internal/unexpected',
        `kernel ${kernel.label}: parameter "${param.name}" must be ${param.type}, got ${String(value)}.`,
      );
    }
    for (const [i, number] of list.entries()) {
      const at = offset + param.offset + 4 * i;
      if (param.type === 'f32' || param.type === 'vec4<f32>') view.setFloat32(at, number, true);
      else if (param.type === 'i32') view.setInt32(at, number, true);
      else view.setUint32(at, number, true);
    }
  }
  if (names.size > 0) {
    throw new AppError('internal/unexpected', `kernel ${kernel.label}: no parameter "${[...names].join('", "')}".`);
  }
}
