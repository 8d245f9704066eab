/** `codex/flux_options.md`: switches of FLUX-class models and the names that other programs use. */
import { fluxOptionsMarkdown } from '../../../src/lib/models/flux_options';
import { GENERATED } from './markdown';

export function fluxPage(): string {
  return `# FLUX options

${GENERATED}
The table itself is \`src/lib/models/flux_options.ts\`. Settings, API fields, infotext keys and command lines of other
programs are read by these names; those marked *no effect* are accepted and do nothing.

${fluxOptionsMarkdown()}
`;
}
