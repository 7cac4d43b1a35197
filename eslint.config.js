import { dirname, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import tseslint from 'typescript-eslint';

const ROOT = dirname(fileURLToPath(import.meta.url));

/**
 * The layers. Imports go down, never up or sideways: the cli asks, operations decide, steps act, plan keeps order, postgres and host know
 * the world. For each layer the layers it may import from; itself always, and errors.ts, secret.ts and version.ts are anybody's.
 */
const LAYERS = {
  cli: { may: ['operations', 'topology', 'steps', 'plan', 'postgres', 'host'], idea: 'who asked: words in, words out' },
  operations: { may: ['topology', 'steps', 'plan', 'postgres', 'host'], idea: 'what to do: observe, then decide' },
  topology: { may: ['postgres', 'host'], idea: "what is wanted: the user's file" },
  steps: { may: ['plan', 'postgres', 'host'], idea: 'what we can do: the vocabulary' },
  plan: { may: ['host'], idea: 'how it is carried out; it knows no PostgreSQL' },
  postgres: { may: ['host'], idea: 'what PostgreSQL is; it knows no plan' },
  host: { may: [], idea: 'where it happens' },
};
const ANYBODY = new Set(['errors.ts', 'secret.ts', 'version.ts']);

/** Packages, built-in modules and the only files that may import them. */
const ONLY_HERE = [
  { modules: /^commander$/, files: /^src\/cli\/(router|command)\.ts$/, reason: 'commander is for cli/router.ts and cli/command.ts alone: a command is data, and the router is the one reader that speaks commander' },
  { modules: /^chalk$/, files: /^src\/cli\/output\/terminal\.ts$/, reason: 'chalk is for cli/output/terminal.ts alone: it ignores NO_COLOR, so the level is set in one place' },
  { modules: /^pg($|\/|-)/, files: /^src\/postgres\/session\.ts$/, reason: 'pg is for postgres/session.ts alone: every session sets its own ground, and has an error listener and a deadline' },
  { modules: /^(execa|node:child_process|child_process)$/, files: /^src\/host\//, reason: 'programs are run by host/ alone: a command declares its effect there, so that a dry run can refuse it' },
  { modules: /^(node:)?fs(\/promises)?$/, files: /^src\/(host\/|topology\/|cli\/|plan\/journal\.ts$)/, reason: 'node:fs is for host/, topology/, cli/ and plan/journal.ts: everybody else may be on another machine than the files, and asks a Host' },
  { modules: /^zod($|\/)/, files: /^src\/(topology\/schema|cli\/output\/schemas)\.ts$/, reason: 'zod is for topology/schema.ts and cli/output/schemas.ts alone: it costs a third of a bare start of Node, and status must not pay that' },
  { modules: /^yaml$/, files: /^src\/topology\//, reason: 'yaml is for topology/ alone: the cluster file is read and edited there, comments kept' },
];

const MAIN_ONLY = {
  exit: 'process.exit is for cli/main.ts alone: a library function returns or throws, and streams are flushed before the end',
  argv: 'process.argv is for cli/main.ts alone: words come in through Io',
  on: 'signals are for cli/main.ts alone: everybody else is given an AbortSignal',
  once: 'signals are for cli/main.ts alone: everybody else is given an AbortSignal',
  exitCode: 'process.exitCode is for cli/main.ts alone: a command returns its exit code',
};

const MAJOR_REASON = 'comparing a PostgreSQL major is for postgres/features.ts alone: name the feature in its table and ask for that';

function place(context) {
  return relative(ROOT, context.filename).split(sep).join('/');
}

function layerOf(file) {
  return /^src\/([^/]+)\//.exec(file)?.[1] ?? null;
}

const layers = {
  meta: { type: 'problem', schema: [], messages: { wrong: '{{reason}}' } },
  create(context) {
    const file = place(context);
    const from = layerOf(file);
    const check = (node, source) => {
      if (source === null || source === undefined || typeof source.value !== 'string') return;
      const name = source.value;
      const reason = name.startsWith('.') ? sideways(file, from, name) : onlyHere(file, name);
      if (reason !== null) context.report({ node: source, messageId: 'wrong', data: { reason } });
    };
    return {
      ImportDeclaration: (node) => check(node, node.source),
      ExportNamedDeclaration: (node) => check(node, node.source),
      ExportAllDeclaration: (node) => check(node, node.source),
      ImportExpression: (node) => check(node, node.source),
      TSImportType: (node) => check(node, node.source ?? node.argument?.literal),
    };
  },
};

function sideways(file, from, name) {
  const target = relative(ROOT, resolve(ROOT, dirname(file), name)).split(sep).join('/');
  if (!target.startsWith('src/')) {
    return target === 'package.json' && file === 'src/version.ts' ? null : `${target} is outside src/: what is shipped is only what lies there`;
  }
  const to = layerOf(target);
  if (to === from) return null;
  if (to === null) return ANYBODY.has(target.slice('src/'.length)) ? null : `${target} belongs to no layer: only errors.ts, secret.ts and version.ts stand outside`;
  if (from === null) return `${file} is for anybody, and so imports no layer`;
  if (LAYERS[from] === undefined || LAYERS[to] === undefined) return `${from}/ and ${to}/ are not both layers: add the new one to eslint.config.js with what it may import`;
  if (LAYERS[from].may.includes(to)) return null;
  const allowed = LAYERS[from].may.length === 0 ? 'errors.ts and secret.ts only' : LAYERS[from].may.join(', ');
  return `${from}/ must not import ${to}/: imports go down, never up or sideways. ${from}/ is ${LAYERS[from].idea}; it may import ${allowed}`;
}

function onlyHere(file, name) {
  const rule = ONLY_HERE.find(({ modules }) => modules.test(name));
  return rule === undefined || rule.files.test(file) ? null : rule.reason;
}

const mainOnly = {
  meta: { type: 'problem', schema: [], messages: { wrong: '{{reason}}' } },
  create(context) {
    if (place(context) === 'src/cli/main.ts') return {};
    return {
      MemberExpression(node) {
        if (node.object.type !== 'Identifier' || node.object.name !== 'process') return;
        const name = node.computed ? node.property.value : node.property.name;
        const reason = Object.hasOwn(MAIN_ONLY, name) ? MAIN_ONLY[name] : undefined;
        if (reason !== undefined) context.report({ node, messageId: 'wrong', data: { reason } });
      },
    };
  },
};

const COMPARES = new Set(['<', '<=', '>', '>=', '==', '===', '!=', '!==']);

const majors = {
  meta: { type: 'problem', schema: [], messages: { wrong: '{{reason}}' } },
  create(context) {
    const file = place(context);
    if (file === 'src/postgres/features.ts' || file === 'src/postgres/version.ts') return {};
    const isMajor = (node) =>
      (node.type === 'CallExpression' && node.callee.type === 'Identifier' && node.callee.name === 'majorOf') ||
      /^(pgMajor|serverMajor|major|versionNumber|serverVersionNumber|serverVersionNum)$/.test(node.type === 'Identifier' ? node.name : node.type === 'MemberExpression' ? node.property.name : '');
    const isNumber = (node) => node.type === 'Literal' && typeof node.value === 'number';
    return {
      // Two servers may be compared with each other; a number in the code is a feature without a name.
      BinaryExpression(node) {
        if (!COMPARES.has(node.operator)) return;
        if (file === 'src/cli/main.ts') return;
        if ((isMajor(node.left) && isNumber(node.right)) || (isNumber(node.left) && isMajor(node.right))) context.report({ node, messageId: 'wrong', data: { reason: MAJOR_REASON } });
      },
    };
  },
};

const pgrepl = { rules: { layers, 'main-only': mainOnly, majors } };

const SYNTAX = [
  { selector: 'TSEnumDeclaration', message: 'no enums: a union of words is data that can be printed, saved and read again' },
  { selector: 'ExportDefaultDeclaration', message: 'named exports: one name for one thing, everywhere' },
];

export default tseslint.config(
  { ignores: ['dist/', 'coverage/', 'node_modules/', 'schema/', 'bench/results*.json'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: [] }, tsconfigRootDir: ROOT } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { arguments: false } }],
      '@typescript-eslint/no-explicit-any': 'error',
      // Numbers in messages are wanted: ports, counts and bytes are most of what is said.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/unbound-method': 'off',
      // With noUncheckedIndexedAccess the type is right and the rule is not always told.
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      // An interface that is implemented synchronously in one place and asynchronously in another stays a promise.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      'no-console': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', destructuredArrayIgnorePattern: '^_', caughtErrors: 'all' }],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-control-regex': 'error',
      'no-useless-escape': 'error',
      'prefer-const': 'error',
      'object-shorthand': 'error',
      'no-restricted-syntax': ['error', ...SYNTAX],
    },
  },
  {
    files: ['src/**/*.ts'],
    plugins: { pgrepl },
    rules: {
      'pgrepl/layers': 'error',
      'pgrepl/main-only': 'error',
      'pgrepl/majors': 'error',
      'no-restricted-syntax': [
        'error',
        ...SYNTAX,
        { selector: "ImportDeclaration[source.value='zod'] > :matches(ImportSpecifier, ImportDefaultSpecifier)", message: "import * as z from 'zod': the named import carries every language along and doubles the bundle" },
      ],
    },
  },
  { files: ['src/cli/main.ts'], rules: { 'no-console': 'off' } },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts', 'chaos/**/*.ts', 'vitest.config.ts'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      'no-restricted-syntax': 'off',
    },
  },
  { files: ['bench/**/*.ts', 'chaos/**/*.ts'], rules: { 'no-console': 'off' } },
);
