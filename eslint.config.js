import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';
import svelteConfig from './svelte.config.js';

/** Effects that live in one folder each; everything else gets them handed in. */
const confined = (object, property, where) => ({
  selector: `MemberExpression[object.name="${object}"][property.name="${property}"]`,
  message: `${object}.${property} is used in ${where} only.`,
});
const GPU = confined('navigator', 'gpu', 'src/lib/backends/webgpu');
const restricted = (...rules) => ['error', ...rules];
const INDEXED_DB = { name: 'indexedDB', message: 'IndexedDB is used in src/lib/storage only.' };
const FETCH = {
  name: 'fetch',
  message: 'Network access lives in src/lib/storage, src/lib/rpc/connect_companion, workers and the companion.',
};

/** Rules that ask the type checker, for components alone: `.oxlintrc.json` has them for .ts files, ten times faster. */
const TYPED = Object.fromEntries(
  ts.configs.recommendedTypeCheckedOnly
    .flatMap(({ rules = {} }) => Object.entries(rules))
    .filter(([name]) => name.startsWith('@typescript-eslint/')),
);

export default ts.config(
  { ignores: ['node_modules/', '.svelte-kit/', 'build/', 'static/', 'tests/golden/data/', '.cache/'] },
  js.configs.recommended,
  ...ts.configs.recommended,
  ...svelte.configs.recommended,
  {
    languageOptions: {
      globals: { ...globals.browser, ...globals.node, ...globals.worker },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'max-lines': ['error', { max: 500, skipBlankLines: true, skipComments: true }],
      'no-restricted-syntax': restricted(GPU),
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  // Texts, not code: as long as the page has things to say.
  { files: ['src/lib/i18n/*.ts'], rules: { 'max-lines': 'off' } },
  {
    files: ['src/lib/**/*.ts', 'src/lib/**/*.svelte', 'src/routes/**'],
    rules: { 'no-restricted-globals': restricted(INDEXED_DB, FETCH) },
  },
  { files: ['src/lib/backends/webgpu/**', 'tests/kernels/**'], rules: { 'no-restricted-syntax': 'off' } },
  {
    files: ['src/lib/storage/**', 'src/lib/rpc/connect_companion.ts'],
    rules: { 'no-restricted-globals': 'off' },
  },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser, svelteConfig } },
  },
  {
    files: ['**/*.svelte'],
    languageOptions: {
      parserOptions: {
        projectService: true,
        extraFileExtensions: ['.svelte'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      ...TYPED,
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/only-throw-error': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      // Async by contract: implementations of an async interface need not await.
      '@typescript-eslint/require-await': 'off',
      // Function bindings and snippets are `any` to this parser; svelte-check types components in `npm run check`.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      // Only svelte-check knows which compiler warnings a component would give.
      'svelte/no-unused-svelte-ignore': 'off',
    },
  },
  {
    files: ['tests/**', 'src/companion/**'],
    rules: { '@typescript-eslint/no-non-null-assertion': 'off', 'no-console': 'off' },
  },
);
