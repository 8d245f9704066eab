/**
 * Reads pickle bytes (protocols 0 to 5) without executing anything: names outside an allow-list are refused when they
 * are read, allowed calls become records. Format: Python Lib/pickletools.py.
 */
import { fileError, quoted, utf8 } from './format_error';
import {
  ALLOWED_GLOBALS,
  CALLABLE,
  INERT,
  PickleCall,
  PickleDict,
  PickleGlobal,
  PickleList,
  PicklePersistent,
  PickleSet,
  PickleTuple,
  shown,
  type PickleValue,
} from './pickle_values';

/** A checkpoint of 2000 tensors needs about 80 000. */
const MAX_OPCODES = 2_000_000;
const MAX_MARKS = 2000;
const MAX_LONG_BYTES = 1024;
const MAX_LINE_BYTES = 65_536;

/** Thrown when the given bytes end before the pickle does. The caller knows whether the file goes on. */
export class PickleEnds {}

export interface PickleResult {
  readonly value: PickleValue;
  /** Bytes used, the STOP opcode included. */
  readonly end: number;
}

/**
 * Reads one pickle from `start` on.
 * @throws PickleEnds when the bytes run out; AppError 'file/unsafe-pickle', 'file/bad-pickle',
 *   'file/string-length-overflow', 'file/count-overflow', 'file/deep-nesting', 'file/bad-utf8'
 */
export function readPickle(bytes: Uint8Array, start: number, where: string, fileBytes = bytes.length): PickleResult {
  return new PickleMachine(bytes, start, where, fileBytes).run();
}

class PickleMachine {
  private stack: PickleValue[] = [];
  private readonly marks: PickleValue[][] = [];
  private readonly memo = new Map<number, PickleValue>();
  private readonly view: DataView;

  constructor(
    private readonly bytes: Uint8Array,
    private at: number,
    private readonly where: string,
    private readonly fileBytes: number,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): PickleResult {
    for (let count = 0; count < MAX_OPCODES; count++) {
      const opcode = this.bytes[this.take(1)] ?? 0;
      if (opcode === 0x2e) return { value: this.pop(), end: this.at };
      const step = OPCODES[opcode];
      if (!step) throw this.bad(`unknown opcode 0x${opcode.toString(16)}`);
      step(this);
    }
    throw fileError('file/count-overflow', this.where, `the pickle has more than ${MAX_OPCODES} opcodes`);
  }

  bad(what: string) {
    return fileError('file/bad-pickle', this.where, `${what} at byte ${this.at} of the pickle`);
  }

  take(length: number): number {
    const at = this.at;
    if (at + length > this.bytes.length) throw new PickleEnds();
    this.at = at + length;
    return at;
  }

  u8(): number {
    return this.bytes[this.take(1)] ?? 0;
  }

  u16(): number {
    return this.view.getUint16(this.take(2), true);
  }

  u32(): number {
    return this.view.getUint32(this.take(4), true);
  }

  i32(): number {
    return this.view.getInt32(this.take(4), true);
  }

  f64(): number {
    return this.view.getFloat64(this.take(8), false);
  }

  u64(): number {
    return Number(this.view.getBigUint64(this.take(8), true));
  }

  data(length: number): Uint8Array {
    const left = this.fileBytes - this.at;
    if (length > left) {
      throw fileError('file/string-length-overflow', this.where, `a text of ${length} bytes, ${left} are left`);
    }
    const at = this.take(length);
    return this.bytes.subarray(at, at + length);
  }

  text(length: number): string {
    return utf8(this.where, 'a pickled text', this.data(length));
  }

  line(): string {
    const end = this.bytes.indexOf(0x0a, this.at);
    if (end < 0) throw this.bytes.length - this.at > MAX_LINE_BYTES ? this.bad('line without end') : new PickleEnds();
    const at = this.take(end - this.at + 1);
    return utf8(this.where, 'a pickled line', this.bytes.subarray(at, end));
  }

  decimal(text: string): number | bigint {
    if (!/^[+-]?\d{1,2500}$/.test(text)) throw this.bad(`${quoted(text)} is no integer`);
    return narrow(BigInt(text.replace('+', '')));
  }

  /** Two's complement, little-endian. */
  long(length: number): number | bigint {
    if (length < 0 || length > MAX_LONG_BYTES) throw this.bad(`integer of ${length} bytes`);
    let value = 0n;
    const data = this.data(length);
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(data[i] ?? 0);
    const bits = BigInt(length * 8);
    return narrow(length > 0 && value >> (bits - 1n) ? value - (1n << bits) : value);
  }

  push(value: PickleValue): void {
    this.stack.push(value);
  }

  pop(): PickleValue {
    const value = this.stack.pop();
    if (value === undefined) throw this.bad('the stack is empty');
    return value;
  }

  top(): PickleValue {
    const value = this.stack.at(-1);
    if (value === undefined) throw this.bad('the stack is empty');
    return value;
  }

  mark(): void {
    if (this.marks.length >= MAX_MARKS) {
      throw fileError('file/deep-nesting', this.where, `more than ${MAX_MARKS} open marks in the pickle`);
    }
    this.marks.push(this.stack);
    this.stack = [];
  }

  /** Values above the last mark; the mark is removed. */
  popMark(): PickleValue[] {
    const below = this.marks.pop();
    if (!below) throw this.bad('no mark');
    const items = this.stack;
    this.stack = below;
    return items;
  }

  /** POP removes a value, or the mark when nothing lies above it. */
  popValueOrMark(): void {
    if (this.stack.length === 0 && this.marks.length > 0) this.popMark();
    else this.pop();
  }

  get(slot: number | bigint): void {
    const value = typeof slot === 'number' ? this.memo.get(slot) : undefined;
    if (value === undefined) throw this.bad(`memo slot ${slot} was never written`);
    this.push(value);
  }

  put(slot: number | bigint): void {
    if (typeof slot !== 'number') throw this.bad(`memo slot ${slot}`);
    this.memo.set(slot, this.top());
  }

  memoize(): void {
    this.put(this.memo.size);
  }

  unsafe(what: string) {
    return fileError(
      'file/unsafe-pickle',
      this.where,
      `the pickle ${what}, which is not on the list of harmless names; nothing was executed`,
      { remedy: 'Get the model as safetensors.' },
    );
  }

  global(module: PickleValue, name: PickleValue): void {
    if (typeof module !== 'string' || typeof name !== 'string') throw this.bad('a global needs two texts');
    const global = new PickleGlobal(module, name);
    if (!ALLOWED_GLOBALS.has(global.key)) throw this.unsafe(`names ${quoted(`${module}.${name}`)}`);
    this.push(global);
  }

  call(callee: PickleValue, args: PickleValue): void {
    if (!(callee instanceof PickleGlobal)) throw this.unsafe('calls something that is no name');
    if (!CALLABLE.has(callee.key)) throw this.unsafe(`calls ${quoted(callee.key)}`);
    if (!(args instanceof PickleTuple)) throw this.bad('arguments are no tuple');
    this.push(callee.key === 'collections OrderedDict' ? this.orderedDict(args) : new PickleCall(callee, args.items));
  }

  private orderedDict(args: PickleTuple): PickleDict {
    const dict = new PickleDict(true);
    const pairs = args.items[0];
    if (pairs === undefined) return dict;
    if (!(pairs instanceof PickleList)) throw this.bad('an OrderedDict is made from something that is no list');
    for (const pair of pairs.items) {
      const items = pair instanceof PickleTuple || pair instanceof PickleList ? pair.items : [];
      this.setItems(dict, items.length === 2 ? items : [null]);
    }
    return dict;
  }

  setItems(dict: PickleValue, items: readonly PickleValue[]): void {
    if (dict instanceof PickleCall && INERT.has(dict.callee.key)) return;
    if (!(dict instanceof PickleDict)) throw this.bad('items are set on something that is no dict');
    if (items.length % 2 !== 0) throw this.bad('a key without a value');
    for (let i = 0; i < items.length; i += 2) dict.entries.set(items[i] ?? null, items[i + 1] ?? null);
  }

  appendItems(list: PickleValue, items: readonly PickleValue[]): void {
    if (list instanceof PickleCall && INERT.has(list.callee.key)) return;
    if (!(list instanceof PickleList || list instanceof PickleSet))
      throw this.bad('append to something that is no list');
    for (const item of items) list.items.push(item);
  }

  /** Attributes of an OrderedDict (torch keeps `_metadata` there) and of inert records are dropped; others are refused. */
  build(): void {
    const state = this.pop();
    const target = this.top();
    if (target instanceof PickleCall && INERT.has(target.callee.key)) return;
    if (!(target instanceof PickleDict && target.ordered)) throw this.unsafe('sets the state of an object');
    if (!(state instanceof PickleDict)) throw this.unsafe('sets an unusual state');
    for (const key of state.entries.keys()) {
      if (typeof key !== 'string' || key.startsWith('__')) throw this.unsafe(`sets ${quoted(shown(key))}`);
    }
  }

  inst(): void {
    const module = this.line();
    const name = this.line();
    this.global(module, name);
    const callee = this.pop();
    this.call(callee, new PickleTuple(this.popMark()));
  }

  obj(): void {
    const [callee, ...args] = this.popMark();
    if (callee === undefined) throw this.bad('OBJ without a class');
    this.call(callee, new PickleTuple(args));
  }
}

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function tuple(machine: PickleMachine, count: number): void {
  const items = Array.from({ length: count }, () => machine.pop()).reverse();
  machine.push(new PickleTuple(items));
}

function dictOf(machine: PickleMachine, items: readonly PickleValue[]): PickleDict {
  const dict = new PickleDict();
  machine.setItems(dict, items);
  return dict;
}

function listOf(items: readonly PickleValue[]): PickleList {
  const list = new PickleList();
  for (const item of items) list.items.push(item);
  return list;
}

/** Text of protocol 0 and 1 strings: quoted, bytes as Latin-1 in Python 2 pickles. */
function quotedLine(machine: PickleMachine): string {
  const match = /^(['"])(.*)\1$/s.exec(machine.line());
  if (!match) throw machine.bad('a text without quotes');
  return match[2] ?? '';
}

function float(machine: PickleMachine): number {
  const text = machine.line();
  const value = Number(text);
  if (text.trim() === '' || (Number.isNaN(value) && text !== 'nan')) throw machine.bad(`${quoted(text)} is no number`);
  return value;
}

function intLine(machine: PickleMachine): number | bigint | boolean {
  const text = machine.line();
  return text === '00' ? false : text === '01' ? true : machine.decimal(text);
}

type Step = (machine: PickleMachine) => void;

/** Opcodes by byte. */
const OPCODES: Readonly<Record<number, Step>> = {
  0x80: (m) => void m.u8(), // PROTO
  0x95: (m) => void m.take(8), // FRAME: lengths of frames carry no meaning for a reader in memory
  0x28: (m) => m.mark(),
  0x30: (m) => m.popValueOrMark(),
  0x31: (m) => void m.popMark(), // POP_MARK
  0x32: (m) => m.push(m.top()), // DUP
  0x4e: (m) => m.push(null),
  0x88: (m) => m.push(true),
  0x89: (m) => m.push(false),
  0x49: (m) => m.push(intLine(m)), // INT
  0x4a: (m) => m.push(m.i32()), // BININT
  0x4b: (m) => m.push(m.u8()),
  0x4d: (m) => m.push(m.u16()),
  0x4c: (m) => m.push(m.decimal(m.line().replace(/L$/, ''))), // LONG
  0x8a: (m) => m.push(m.long(m.u8())),
  0x8b: (m) => m.push(m.long(m.i32())),
  0x46: (m) => m.push(float(m)),
  0x47: (m) => m.push(m.f64()),
  0x53: (m) => m.push(quotedLine(m)), // STRING
  0x54: (m) => m.push(m.text(m.u32())), // BINSTRING
  0x55: (m) => m.push(m.text(m.u8())),
  0x56: (m) => m.push(m.line()), // UNICODE
  0x58: (m) => m.push(m.text(m.u32())), // BINUNICODE
  0x8c: (m) => m.push(m.text(m.u8())),
  0x8d: (m) => m.push(m.text(m.u64())),
  0x42: (m) => m.push(m.data(m.u32())), // BINBYTES
  0x43: (m) => m.push(m.data(m.u8())),
  0x8e: (m) => m.push(m.data(m.u64())),
  0x96: (m) => m.push(m.data(m.u64())), // BYTEARRAY8
  0x5d: (m) => m.push(new PickleList()),
  0x61: (m) => {
    const item = m.pop();
    m.appendItems(m.top(), [item]);
  },
  0x65: (m) => {
    const items = m.popMark();
    m.appendItems(m.top(), items);
  },
  0x6c: (m) => m.push(listOf(m.popMark())), // LIST
  0x29: (m) => m.push(new PickleTuple([])),
  0x74: (m) => m.push(new PickleTuple(m.popMark())),
  0x85: (m) => tuple(m, 1),
  0x86: (m) => tuple(m, 2),
  0x87: (m) => tuple(m, 3),
  0x7d: (m) => m.push(new PickleDict()),
  0x64: (m) => m.push(dictOf(m, m.popMark())), // DICT
  0x73: (m) => {
    const value = m.pop();
    const key = m.pop();
    m.setItems(m.top(), [key, value]);
  },
  0x75: (m) => {
    const items = m.popMark();
    m.setItems(m.top(), items);
  },
  0x8f: (m) => m.push(new PickleSet()),
  0x90: (m) => {
    const items = m.popMark();
    m.appendItems(m.top(), items);
  },
  0x91: (m) => {
    const set = new PickleSet();
    m.appendItems(set, m.popMark());
    m.push(set);
  },
  0x67: (m) => m.get(m.decimal(m.line())), // GET
  0x68: (m) => m.get(m.u8()),
  0x6a: (m) => m.get(m.u32()),
  0x70: (m) => m.put(m.decimal(m.line())), // PUT
  0x71: (m) => m.put(m.u8()),
  0x72: (m) => m.put(m.u32()),
  0x94: (m) => m.memoize(),
  0x63: (m) => {
    const module = m.line();
    m.global(module, m.line());
  },
  0x93: (m) => {
    const name = m.pop();
    m.global(m.pop(), name);
  },
  0x52: (m) => {
    const args = m.pop();
    m.call(m.pop(), args);
  },
  0x62: (m) => m.build(),
  0x69: (m) => m.inst(),
  0x6f: (m) => m.obj(),
  0x81: (m) => {
    const args = m.pop();
    m.call(m.pop(), args);
  },
  0x92: (m) => {
    throw m.unsafe('makes an object with keyword arguments');
  },
  0x82: (m) => {
    throw m.unsafe('uses the extension registry');
  },
  0x83: (m) => {
    throw m.unsafe('uses the extension registry');
  },
  0x84: (m) => {
    throw m.unsafe('uses the extension registry');
  },
  0x50: (m) => {
    throw m.bad('a text reference to outside data');
  },
  0x51: (m) => m.push(new PicklePersistent(m.pop())),
};
