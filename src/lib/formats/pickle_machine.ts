/**
 * The stack machine that pickle opcodes work on: stack, marks, memo, and the operands that are read from the bytes. It
 * builds plain records; a name outside the allow-list is refused when it is read, before anything could use it.
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
  PickleSet,
  PickleTuple,
  shown,
  type PickleValue,
} from './pickle_values';

const MAX_MARKS = 2000;
const MAX_LONG_BYTES = 1024;
const MAX_LINE_BYTES = 65_536;

/** Thrown when the given bytes end before the pickle does. The caller knows whether the file goes on. */
export class PickleEnds {}

export class PickleMachine {
  /** Next byte. */
  at: number;
  private stack: PickleValue[] = [];
  private readonly marks: PickleValue[][] = [];
  private readonly memo = new Map<number, PickleValue>();
  private readonly view: DataView;

  constructor(
    private readonly bytes: Uint8Array,
    start: number,
    private readonly where: string,
    private readonly fileBytes: number,
  ) {
    this.at = start;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
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
