/** `codex/extension_hooks.md`: the web UIs' callbacks beside the hooks of this product. */
import { HOOKS, OTHER_CALLBACKS } from '../../../src/lib/extensions/hooks';
import { table } from './markdown';

export function hooksPage(): string {
  const placeOf = (place: string | { readonly instead: string }): string =>
    typeof place === 'string' ? `\`${place}\`` : place.instead;
  const rows = HOOKS.map(({ name, upstream, args }) => [
    `\`${name}\``,
    `\`${upstream}\``,
    Object.entries(args as Record<string, string | { readonly instead: string }>)
      .map(([arg, place]) => `\`${arg}\`: ${placeOf(place)}`)
      .join('; '),
  ]);
  return `# Hooks of extensions

Generated from \`src/lib/extensions/hooks.ts\` by \`npx tsx tests/tools/generate_docs.ts\`; do not edit by hand.

A job reaches the hooks in this order. Every hook gets its payload and the job (\`{ request }\`, what the web UIs call
\`p\`). Values of an extension's own controls (\`*args\`) are its own variables.

${table(['Hook', 'A1111 and Forge', 'Their arguments here'], rows)}

## Callbacks without a hook

${table(
  ['A1111 and Forge', 'In its place'],
  Object.entries(OTHER_CALLBACKS).map(([name, { instead }]) => [`\`${name}\``, instead]),
)}
`;
}
