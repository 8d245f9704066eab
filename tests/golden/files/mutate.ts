/** The mutation operations of the golden file cases. */
export type Operation = readonly [string, ...(number | string)[]];

/** A changed copy of a file. */
export function mutate(bytes: Uint8Array, operation: Operation): Uint8Array<ArrayBuffer> {
  const [kind, ...rest] = operation;
  const at = Number(rest[0]);
  const head = bytes.subarray(0, at);
  const splice = (middle: Uint8Array, resume: number) =>
    Uint8Array.from(Buffer.concat([head, middle, bytes.subarray(resume)]));
  const hex = () => Buffer.from(String(rest[1]), 'hex');
  switch (kind) {
    case 'truncate':
      return Uint8Array.from(head);
    case 'flip':
      return splice(Uint8Array.of((bytes[at] ?? 0) ^ (1 << Number(rest[1]))), at + 1);
    case 'byte':
      return splice(Uint8Array.of(Number(rest[1])), at + 1);
    case 'delete':
      return splice(new Uint8Array(0), at + Number(rest[1]));
    case 'insert':
      return splice(hex(), at);
    case 'set':
      return splice(hex(), at + hex().length);
    case 'repeat': {
      const piece = bytes.subarray(at, at + Number(rest[1]));
      return splice(Buffer.concat(Array.from({ length: Number(rest[2]) }, () => piece)), at + Number(rest[1]));
    }
    default:
      throw new Error(`unknown mutation ${kind}`);
  }
}
