/** CRC-32 (ISO 3309, reflected polynomial 0xEDB88320), the checksum of zip entries. */

let tables: Uint32Array[] | undefined;

/** Four tables: four bytes per step, about three times faster than one table. */
function slicingTables(): Uint32Array[] {
  if (tables) return tables;
  const made = [new Uint32Array(256), new Uint32Array(256), new Uint32Array(256), new Uint32Array(256)];
  const [first] = made;
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    if (first) first[n] = c >>> 0;
  }
  for (let t = 1; t < 4; t++) {
    for (let n = 0; n < 256; n++) {
      const before = made[t - 1]?.[n] ?? 0;
      const table = made[t];
      if (table) table[n] = ((first?.[before & 255] ?? 0) ^ (before >>> 8)) >>> 0;
    }
  }
  tables = made;
  return made;
}

/**
 * CRC-32 of bytes.
 * @param previous result over the bytes before these, 0 at the start
 */
export function crc32(bytes: Uint8Array, previous = 0): number {
  const [t0, t1, t2, t3] = slicingTables();
  if (!t0 || !t1 || !t2 || !t3) return 0;
  let crc = ~previous;
  let i = 0;
  for (; i + 4 <= bytes.length; i += 4) {
    crc ^= (bytes[i] ?? 0) | ((bytes[i + 1] ?? 0) << 8) | ((bytes[i + 2] ?? 0) << 16) | ((bytes[i + 3] ?? 0) << 24);
    crc = (t3[crc & 255] ?? 0) ^ (t2[(crc >>> 8) & 255] ?? 0) ^ (t1[(crc >>> 16) & 255] ?? 0) ^ (t0[crc >>> 24] ?? 0);
  }
  for (; i < bytes.length; i++) crc = (t0[(crc ^ (bytes[i] ?? 0)) & 255] ?? 0) ^ (crc >>> 8);
  return ~crc >>> 0;
}
