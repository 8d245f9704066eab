/**
 * Reads pickle bytes (protocols 0 to 5) without executing anything: names outside an allow-list are refused when they
 * are read, allowed calls become records. Format: Python Lib/pickletools.py.
 */
import { fileError, quoted } from './format_error';
import { PickleMachine } from './pickle_machine';
import { PickleDict, PickleList, PicklePersistent, PickleSet, PickleTuple, type PickleValue } from './pickle_values';

/** A checkpoint of 2000 tensors needs about 80 000. */
const MAX_OPCODES = 2_000_000;

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
  const machine = new PickleMachine(bytes, start, where, fileBytes);
  for (let count = 0; count < MAX_OPCODES; count++) {
    const opcode = machine.u8();
    if (opcode === STOP) return { value: machine.pop(), end: machine.at };
    const step = OPCODES[opcode];
    if (!step) throw machine.bad(`unknown opcode 0x${opcode.toString(16)}`);
    step(machine);
  }
  throw fileError('file/count-overflow', where, `the pickle has more than ${MAX_OPCODES} opcodes`);
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

const STOP = 0x2e;

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
