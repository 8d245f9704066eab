/**
 * `npm run lint`, interface texts: keys that are missing or unused, texts left in English, placeholders and plural forms
 * that differ, and text written into components. Prints every finding; exit code 1 on any.
 * `npm run messages` prints the coverage of every language as a table; `npm run messages -- FILE` what a translation file
 * of a web UI has of our texts, and lists those it lacks.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parse } from 'svelte/compiler';
import { en as enFirst, type MessageKey, type PluralMessage } from '../../src/lib/i18n/en';
import { enLater } from '../../src/lib/i18n/en_later';
import { LOCALES, type LocaleDef } from '../../src/lib/i18n/locales';

const en = { ...enFirst, ...enLater };
const root = resolve(import.meta.dirname, '../..');
const problems: string[] = [];
type Message = string | PluralMessage;

/** Names and formats that are the same in every language. */
const SAME_EVERYWHERE = new Set([
  'app.name',
  'models.group.lora',
  'models.group.one.lora',
  'models.group.one.embedding',
  'models.group.embedding',
  'models.kind.lora',
  'complete.lora',
  'group.control',
  'params.vae',
  // The name of the program, as `npm run companion` says it.
  'companion.title',
]);

/** Words that a language spells as English does. */
const SAME_WORDS: Readonly<Record<string, readonly string[]>> = {
  de: [
    'Variation',
    'Prompt',
    'Pause',
    'Airbrush',
    'Marker',
    'Ellipse',
    'Lasso',
    'Name',
    'Normal',
    'Live',
    'Sampler',
    'Token',
    'Linear',
  ],
  es: ['General', 'Radial', 'Control', 'Normal', 'Token'],
  fr: ['Licence', 'Page', 'Verdict', 'Variation', 'Pause', 'Rectangle', 'Ellipse', 'Lasso', 'Exclusion', 'Saturation'],
  'pt-BR': ['Prompt', 'Radial', 'Normal', 'Token', 'Linear'],
};

function* walk(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else yield path;
  }
}

const forms = (message: Message): readonly string[] =>
  typeof message === 'string' ? [message] : Object.values(message as Record<string, string>);
const placeholders = (text: string): string => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort().join(' ');

/** Every key is used somewhere, by its name or by a template whose fixed beginning it has. */
function checkUse(): void {
  const sources = [...walk(join(root, 'src'))].filter(
    (path) => /\.(svelte|ts)$/.test(path) && !path.includes('/i18n/'),
  );
  const text = sources.map((path) => readFileSync(path, 'utf8')).join('\n');
  const prefixes = [...text.matchAll(/`([a-z][\w.]*\.)\$\{/g)].map((match) => match[1] ?? '');
  for (const key of Object.keys(en)) {
    const named = text.includes(`'${key}'`) || prefixes.some((prefix) => key.startsWith(prefix));
    if (!named) problems.push(`en: '${key}' is used nowhere; delete it.`);
  }
}

async function checkLocale(locale: LocaleDef): Promise<void> {
  const messages = (await locale.load()) as Readonly<Record<string, Message>>;
  const say = (what: string) => problems.push(`${locale.id}: ${what}`);
  for (const key of Object.keys(messages)) if (!(key in en)) say(`'${key}' is no key of English.`);
  const categories = new Intl.PluralRules(locale.id).resolvedOptions().pluralCategories;
  let same = 0;
  for (const [key, english] of Object.entries(en) as [MessageKey, Message][]) {
    const message = messages[key];
    if (message === undefined) {
      say(`'${key}' is missing.`);
      continue;
    }
    const source = forms(english).at(-1) ?? '';
    for (const form of forms(message)) {
      // A form such as "one" may say its number in words.
      const wanted = placeholders(source);
      const found = placeholders(form);
      const spelled = typeof message !== 'string' && found === wanted.replace('{count}', '').trim();
      if (found !== wanted && !spelled) say(`'${key}' has ${found || 'no placeholders'}, English has ${wanted}.`);
      if (form.trim() === '') say(`'${key}' is empty.`);
    }
    if (typeof english !== 'string' && typeof message !== 'string') {
      for (const category of categories) {
        if (!(category in message) && category !== 'other' && category !== 'many' && category !== 'zero') {
          say(`'${key}' lacks the plural form "${category}".`);
        }
      }
    }
    const letters = source.replace(/\{\w+\}/g, '').replace(/[^\p{L}]/gu, '');
    const allowed = SAME_EVERYWHERE.has(key) || (SAME_WORDS[locale.id]?.includes(source) ?? false);
    if (locale.id !== 'en' && forms(message).at(-1) === source && letters.length > 2 && !allowed) {
      same++;
      say(`'${key}' is still English ("${source}").`);
    }
  }
  const keys = Object.keys(en).length;
  const translated = Object.keys(messages).filter((key) => key in en).length - same;
  const percent = `${((100 * translated) / keys).toFixed(1)} %`;
  console.log(`interface texts: ${locale.id.padEnd(6)} ${percent.padStart(7)}  ${translated} of ${keys} texts`);
}

interface MarkupNode {
  readonly type: string;
  readonly start: number;
  readonly data?: string;
  readonly name?: string;
  readonly value?: unknown;
  readonly [key: string]: unknown;
}

const SPOKEN_ATTRIBUTES = new Set(['title', 'placeholder', 'alt', 'aria-label', 'aria-description', 'label']);
/** Names that stay as they are in every language. */
const LITERAL_ALLOWED = new Set(['NV', 'CPU', 'px', 'Tab', 'PSD']);

/** Words between tags or in attributes that are read out. */
function checkComponent(path: string): void {
  const source = readFileSync(path, 'utf8');
  const { fragment } = parse(source, { modern: true });
  const report = (node: MarkupNode, text: string) => {
    // Names of keys and CSS units are the same in every language.
    const words = text.replace(/\b(Ctrl|Shift|Alt|Esc|Del|Enter)\b/g, '').trim();
    if (!/\p{L}{2}/u.test(words) || LITERAL_ALLOWED.has(words)) return;
    const line = source.slice(0, node.start).split('\n').length;
    problems.push(
      `${relative(root, path)}:${line}: "${words.slice(0, 60)}" is written into the component; use i18n.t.`,
    );
  };
  const visit = (value: unknown, spoken: boolean): void => {
    if (Array.isArray(value)) for (const item of value) visit(item, spoken);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
    const node = value as MarkupNode;
    if (node.type === 'Text') {
      if (spoken && typeof node.data === 'string') report(node, node.data);
      return;
    }
    if (node.type === 'Attribute') return visit(node.value, SPOKEN_ATTRIBUTES.has(node.name ?? ''));
    if (
      node.type === 'StyleDirective' ||
      node.type === 'ExpressionTag' ||
      node.type === 'StyleSheet' ||
      node.type === 'Script'
    )
      return;
    const ignored = ['kbd', 'code', 'style', 'script'].includes(node.name ?? '');
    for (const [key, child] of Object.entries(node)) {
      if (key === 'attributes') visit(child, false);
      else if (key !== 'parent' && key !== 'expression' && key !== 'metadata') visit(child, !ignored);
    }
  };
  visit(fragment, true);
}

/** Prints a translation file's share of our texts and ends. */
async function reportOverlay(path: string): Promise<never> {
  const { layOver, missingFile, readOverlay } = await import('../../src/lib/i18n/overlay');
  const english = await LOCALES[0].load();
  const { used, missing } = layOver(english, english, readOverlay(readFileSync(path, 'utf8')));
  const lacking = Object.keys(missing).length;
  console.log(missingFile(missing));
  console.error(`${path}: ${used} of ${used + lacking} texts, ${lacking} are missing (listed above)`);
  process.exit(0);
}

const [file] = process.argv.slice(2).filter((word) => !word.startsWith('--'));
if (process.argv.includes('--report') && file !== undefined) await reportOverlay(resolve(file));
checkUse();
for (const locale of LOCALES) await checkLocale(locale);
for (const folder of ['src/lib/ui', 'src/routes']) {
  for (const path of walk(join(root, folder))) if (path.endsWith('.svelte')) checkComponent(path);
}
for (const problem of problems) console.error(problem);
console.log(
  `interface texts: ${Object.keys(en).length} keys, ${LOCALES.length} languages, ${problems.length} problems`,
);
process.exit(problems.length > 0 ? 1 : 0);
