/** Words of a text for searching: without accents and case. Pure. */
export function plainWords(text: string): readonly string[] {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().split(/\s+/).filter(Boolean);
}
