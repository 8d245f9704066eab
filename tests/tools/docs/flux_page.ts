/** `codex/flux_options.md`: switches of FLUX-class models and the names that other programs use. */
import { WITHOUT_COUNTERPART } from '../../../src/lib/options/legacy';
import { MODEL_OPTIONS, type ModelOption } from '../../../src/lib/options/model_options';
import { GENERATED, table } from './markdown';

function values(option: ModelOption): string {
  switch (option.type) {
    case 'number':
      return `${option.min}–${option.max}, default ${option.default}`;
    case 'choice':
      return option.choices.map((choice) => (choice === option.default ? `**${choice}**` : choice)).join(', ');
    case 'boolean':
      return `default ${option.default}`;
    case 'files':
      return 'files';
  }
}

const PLACES = { request: 'request', source: 'opening the model' } as const;

export function fluxPage(): string {
  const options: readonly ModelOption[] = MODEL_OPTIONS;
  const legacy = options.flatMap((option) =>
    option.legacy.map((old) => [
      `\`${old.name}\``,
      old.source,
      old.ignored ? 'none' : `\`${option.id}\``,
      Object.entries(old.values ?? {})
        .map(([from, to]) => `${from} → ${String(to)}`)
        .join(', '),
      old.note ?? '',
    ]),
  );
  const without = WITHOUT_COUNTERPART.map((old) => [`\`${old.name}\``, old.source, 'none', '', old.note]);
  return `# FLUX options

${GENERATED}
The table itself is \`src/lib/options/model_options.ts\`: requests, pipeline, interface, infotext and command line read it.

${table(
  ['Option', 'Values', 'Drives', 'Families', 'Place', 'Infotext'],
  options.map((option) => [
    `\`${option.id}\``,
    values(option),
    option.drives,
    option.families.join(', '),
    option.place ? PLACES[option.place] : '`modelOptions`',
    option.infotext ?? '–',
  ]),
)}

## Names of other programs

Settings, API fields, infotext keys and command lines are read by these names.

${table(['Name', 'Where', 'Option', 'Values', 'Note'], [...legacy, ...without])}
`;
}
