/** Markdown that the generated pages share. */

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((c) => c.replaceAll('|', '\\|') || '–').join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

export function codes(names: readonly string[] | undefined): string {
  return (names ?? []).map((name) => `\`${name}\``).join(' ');
}

export const GENERATED =
  'Generated from the registries by `npx tsx tests/tools/generate_docs.ts`; do not edit by hand.';
